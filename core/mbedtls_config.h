/* What of Mbed TLS 3.6 is built: TLS 1.3 for both ends, X.509, and the
 * primitives that attestation and prompt encryption need; nothing else.
 *
 * .make/deps.sh builds the library with this file and installs it with the
 * library's headers as <mbedtls/mbedtls_config.h>, so that what is compiled
 * against the library can't disagree with it.  Never include it by hand.
 *
 * Left out on purpose: TLS 1.2 and what only it uses (CBC suites,
 * renegotiation, DTLS, static RSA), session tickets (a resumed session skips
 * the certificate that attestation is bound to), MD5, DES, small curves,
 * files, sockets and threads. */
#ifndef CONFD_CORE_MBEDTLS_CONFIG_H
#define CONFD_CORE_MBEDTLS_CONFIG_H

/* Platform.  Memory comes from core/mem.c, which wipes what it frees; the
 * clock can be set, since evidence is also judged as of a given time. */
#define MBEDTLS_HAVE_ASM
#define MBEDTLS_HAVE_TIME
#define MBEDTLS_HAVE_TIME_DATE
#define MBEDTLS_PLATFORM_C
#define MBEDTLS_PLATFORM_MEMORY
#define MBEDTLS_PLATFORM_TIME_ALT
#define MBEDTLS_DEPRECATED_REMOVED
#define MBEDTLS_ERROR_C
#define MBEDTLS_VERSION_C

/* Randomness: getrandom(2) through Mbed TLS's own pool. */
#define MBEDTLS_ENTROPY_C
#define MBEDTLS_CTR_DRBG_C
#define MBEDTLS_HMAC_DRBG_C

/* Digests.  SHA-1 only names things (key identifiers, OCSP's certificate
 * ids, old event logs); no signature over it is believed, since neither TLS
 * 1.3 nor X.509's default profile lists it. */
#define MBEDTLS_MD_C
#define MBEDTLS_SHA1_C
#define MBEDTLS_SHA256_C
#define MBEDTLS_SHA384_C
#define MBEDTLS_SHA512_C
#define MBEDTLS_HKDF_C

/* Ciphers. */
#define MBEDTLS_CIPHER_C
#define MBEDTLS_AES_C
#define MBEDTLS_AESNI_C
#define MBEDTLS_GCM_C
#define MBEDTLS_CHACHA20_C
#define MBEDTLS_POLY1305_C
#define MBEDTLS_CHACHAPOLY_C

/* Public keys.  Everest is the fast X25519.  PSA_P256M_DRIVER_ENABLED stays
 * off: it is small, and four times slower than what it replaces. */
#define MBEDTLS_BIGNUM_C
#define MBEDTLS_ECP_C
#define MBEDTLS_ECP_DP_SECP256R1_ENABLED
#define MBEDTLS_ECP_DP_SECP384R1_ENABLED
#define MBEDTLS_ECP_DP_CURVE25519_ENABLED
#define MBEDTLS_ECP_NIST_OPTIM
#define MBEDTLS_ECP_FIXED_POINT_OPTIM 1
#define MBEDTLS_ECDH_C
#define MBEDTLS_ECDH_VARIANT_EVEREST_ENABLED
#define MBEDTLS_ECDSA_C
#define MBEDTLS_ECDSA_DETERMINISTIC
#define MBEDTLS_RSA_C
#define MBEDTLS_GENPRIME
#define MBEDTLS_PKCS1_V15
#define MBEDTLS_PKCS1_V21

/* Keys and certificates, read and written. */
#define MBEDTLS_OID_C
#define MBEDTLS_ASN1_PARSE_C
#define MBEDTLS_ASN1_WRITE_C
#define MBEDTLS_BASE64_C
#define MBEDTLS_PEM_PARSE_C
#define MBEDTLS_PEM_WRITE_C
#define MBEDTLS_PK_C
#define MBEDTLS_PK_PARSE_C
#define MBEDTLS_PK_WRITE_C
#define MBEDTLS_X509_USE_C
#define MBEDTLS_X509_CRT_PARSE_C
#define MBEDTLS_X509_CRL_PARSE_C
#define MBEDTLS_X509_CSR_PARSE_C
#define MBEDTLS_X509_CREATE_C
#define MBEDTLS_X509_CRT_WRITE_C
#define MBEDTLS_X509_CSR_WRITE_C
#define MBEDTLS_X509_RSASSA_PSS_SUPPORT

/* TLS 1.3 takes its key schedule from PSA.  Its key store grows: a fixed
 * one holds 32 keys, which are 32 handshakes.  USE_PSA_CRYPTO stays off: it
 * halves the rate of small records. */
#define MBEDTLS_PSA_CRYPTO_C
#define MBEDTLS_PSA_KEY_STORE_DYNAMIC
#define MBEDTLS_SSL_TLS_C
#define MBEDTLS_SSL_CLI_C
#define MBEDTLS_SSL_SRV_C
#define MBEDTLS_SSL_PROTO_TLS1_3
#define MBEDTLS_SSL_TLS1_3_COMPATIBILITY_MODE
#define MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL_ENABLED
#define MBEDTLS_SSL_KEEP_PEER_CERTIFICATE
#define MBEDTLS_SSL_KEYING_MATERIAL_EXPORT
#define MBEDTLS_SSL_SERVER_NAME_INDICATION
#define MBEDTLS_SSL_ALPN

/* Bytes that a record may hold.  A peer may send the protocol's maximum.  We
 * send half of it: that takes 8 KiB from each connection's heap, costs 0.3 %
 * in headers, and our own certificate chain, which must fit in one handshake
 * message of this length, still has room for an evidence extension.  The 16
 * more are for the record's inner type byte and its padding, so that 8 KiB
 * of data are one record. */
#define MBEDTLS_SSL_IN_CONTENT_LEN 16384
#define MBEDTLS_SSL_OUT_CONTENT_LEN (8192 + 16)

/* Replacements of our own (MBEDTLS_GCM_ALT and the like) are named here;
 * their sources and headers stand in core/mbedtls/, which deps.sh compiles
 * into the library.  There are none yet. */

#endif
