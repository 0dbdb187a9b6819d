/* Sealed exchanges of others, which ours must read and make. */
#ifndef CONFD_TEST_PROXY_OHTTP_VECTORS_H
#define CONFD_TEST_PROXY_OHTTP_VECTORS_H

#include "proxy/ohttp.h"

/* One exchange as published or recorded: hexadecimal. */
struct vector {
	enum ohttp_form form;
	const char *priv;    /* of the server */
	const char *plain;   /* of the request */
	const char *request; /* sealed */
	const char *answer;  /* plain */
	const char *sealed;  /* the answer; NULL: not given */
	const char *parts;   /* how the sealer was given the answer, as
				  lengths in digits; the last part is final */
};

#define REQUEST "7468652072657175657374" /* "the request" */
#define ANSWER "74686520616e737765722c20696e2074776f"
#define ENC "a04588b74683334f6e7670db45cca1288fc2c1499d78715d9456f5d99261a823"
#define PRIV "1416df89d1d321b39629783411f03ff7a6a62354286c36622d1f04cff78a4186"
#define PUB "5c08c3fd6224cec52887d9535c13cd319be2c69e144ddb3084fb698e7f06d45b"
#define NONCE16 "000102030405060708090a0b0c0d0e0f"
#define NONCE32 NONCE16 "101112131415161718191a1b1c1d1e1f"

static const struct vector vectors[] = {
	/* RFC 9458 appendix A. */
	{ OHTTP_WHOLE,
	  "3c168975674b2fa8e465970b79c8dcf09f1c741626480bd4c6162fc5b6a98e1a",
	  "00034745540568747470730b6578616d706c652e636f6d012f",
	  "010020000100014b28f881333e7c164ffc499ad9796f877f4e1051ee6d31bad1"
	  "9dec96c208b4726374e469135906992e1268c594d2a10c695d858c40a026e796"
	  "5e7d86b83dd440b2c0185204b4d63525",
	  "0140c8",
	  "c789e7151fcba46158ca84b04464910d86f9013e404feea014e7be4a441f234f"
	  "857fbd",
	  "3" },
	/* draft-ietf-ohai-chunked-ohttp-08 appendix A. */
	{ OHTTP_CHUNKED,
	  "1c190d72acdbe4dbc69e680503bb781a932c70a12c8f3754434c67d8640d8698",
	  "00034745540568747470730b6578616d706c652e636f6d012f",
	  "01002000010001"
	  "8811eb457e100811c40a0aa71340a1b81d804bb986f736f2f566a7199761a032"
	  "1c2ad24942d4d692563012f2980c8fef437a336b9b2fc938ef77a5834f"
	  "1d2e33d8fd25577afe31bd1c79d094f76b6250ae6549b473ecd950501311"
	  "001c6c1395d0ef7c1022297966307b8a7f",
	  "0140c8",
	  "bcce7f4cb921309ba5d62edf1769ef09"
	  "1179bf1cc87fa0e2c02de4546945aa3d1e48"
	  "12b348b5bd4c594c16b6170b07b475845d1f32"
	  "00ed9d8a796617a5b27265f4d73247f639",
	  "120" },
	/* Recorded from the Rust crate "ohttp" 0.8.0 as the client. */
	{ OHTTP_WHOLE, PRIV, REQUEST,
	  "0700200001000121d6c699b8601d2c8787aba110e8d947ee553a50c63cd907f0"
	  "d2c71ae172b02fefb3248bc51abcb186d85691ebf307c39110e12bef313c3131"
	  "eadf",
	  ANSWER, NULL, "9" },
	{ OHTTP_CHUNKED, PRIV, REQUEST,
	  "070020000100018ffc1d753a2b278c50867adcc127e82a36f4e8ac9656467bc9"
	  "79b49d1b90667b1568eb3b8b4c2f8fc6a5486c678140957862b1e042e71530a3"
	  "106dad77023d9b52752d1198719fc310a19185110981dcd156f594ec9f1263e7"
	  "6c6c44133f00e25d9e9a55b22391ade4a244914f36f8",
	  ANSWER, NULL, "9" },
	/* Computed by an independent program (Python's cryptography for
	 * X25519, HMAC and AES-GCM), with the ephemeral key that follows from
	 * 32 bytes 0x33.  The client test below makes these requests. */
	{ OHTTP_WHOLE, PRIV, REQUEST,
	  "07002000010001" ENC
	  "6ce7b64d930e0ac91e27b135013f211f7eb2580f28bfbe12adbf5c",
	  ANSWER,
	  NONCE16 "abee8b2567528678533e6c4897e75308d153a120632f3949b31f3e06"
		  "b48ad159a4d0",
	  "99" },
	{ OHTTP_CHUNKED, PRIV, REQUEST,
	  "07002000010001" ENC
	  "1487baae6b754b9247cd3ba810e2e6e497bcfe6e6714d5cd3f60b71e25cede40"
	  "d210d9507a91bce322a000cf7fb70ac8653d33c5ee6d2c58226c53ca41a0",
	  ANSWER,
	  NONCE16 "1bfa746c06c9cfc1b9911ba0ad5833227989a6901c5cc3b08b098eaf"
		  "0024c74b1ff52e633fbf29c217ffa41e3c670a7ad101c1d3",
	  "b7" },
	{ OHTTP_WHOLE, PRIV, REQUEST,
	  "07002000010002" ENC
	  "c846a6afd4caed206692598ab8ab2c5be09b6dbfed18b64bd25d1e",
	  ANSWER,
	  NONCE32 "e0719813f9be080041dc3edaa0c80b44b8a9807d3061c274c4ba1a1a"
		  "da8b7edd9338",
	  "5d" },
	{ OHTTP_CHUNKED, PRIV, REQUEST,
	  "07002000010002" ENC
	  "146535922295fe5dba7597e41118e3cae9c30a28d6147e663b7c4cf20796dac7"
	  "75d468b588d24256a7b60068038be8d47e90fe91434821c68fc207838d17",
	  ANSWER,
	  NONCE32 "1b28328da213920263c46b6e9c78ce044e442afa932e9ecdbfdcd9c2"
		  "00424c93186f0cc3a4d665c0e0832f0e99eee435efa1046f",
	  "b7" },
};

#endif
