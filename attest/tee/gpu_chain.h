/* The certificates of an NVIDIA GPU or NVSwitch: the key that signs reports
 * (made by the firmware that runs), the device's key (made in silicon), the
 * plant's, the chip's and the vendor's root.  Who a device is stands in these
 * and nowhere else.
 *
 * Source: TCG DICE Attestation Architecture 1.1, and the vendor's own. */
#ifndef CONFD_ATTEST_TEE_GPU_CHAIN_H
#define CONFD_ATTEST_TEE_GPU_CHAIN_H

#include "attest/tee/gpu_report.h"
#include "core/x509.h"

/* The certificates, in their order. */
enum gpu_chain_cert {
	GPU_CHAIN_LEAF,	       /* signs reports: "GH100 A01 GSP FMC LF" */
	GPU_CHAIN_DEVICE,      /* "GH100 A01 GSP BROM" */
	GPU_CHAIN_PROVISIONER, /* "NVIDIA GH100 Provisioner ICA 1" */
	GPU_CHAIN_IDENTITY,    /* "NVIDIA GH100 Identity" */
	GPU_CHAIN_ROOT,	       /* "NVIDIA Device Identity CA" */
	GPU_CHAIN_LEN
};

struct gpu_chain {
	size_t n; /* GPU_CHAIN_LEN, or 0: none */
	struct x509 *cert[GPU_CHAIN_LEN];
};

enum gpu_arch { GPU_ARCH_HOPPER, GPU_ARCH_BLACKWELL, GPU_ARCH_LS10 };

/* Who a chain says the device is. */
struct gpu_identity {
	char chip[GPU_TEXT_MAX + 1]; /* "GH100", "GB100", "LS_10" */
	enum gpu_arch arch;
	bool is_switch;		  /* an NVSwitch, not a GPU */
	const char *product;	  /* a literal: reference values' begins so */
	uint8_t pdi[GPU_PDI_LEN]; /* on its fabric */
	uint8_t device[32];	  /* SHA-256 of its key in silicon (SPKI) */
	uint8_t leaf[32];	  /* SHA-256 of the key that signs (SPKI) */
};

/* Parse a PEM chain of exactly GPU_CHAIN_LEN certificates.  out is written
 * only on OK and then gpu_chain_done's. E_PARSE, E_LIMIT. */
enum status gpu_chain_parse(struct slice pem, struct gpu_chain *out,
			    struct err *err);
void gpu_chain_done(struct gpu_chain *c);
#define auto_gpu_chain __attribute__((cleanup(gpu_chain_done)))

/* E_CRYPTO unless each certificate is signed by the next, the last by itself,
 * whatever the time. */
enum status gpu_chain_check(const struct gpu_chain *c, struct err *err);

/* Who it is, from certificates that gpu_chain_check() found to be signed.
 * E_CRYPTO unless each is in its place: the leaf a key that signs data, not
 * certificates, on P-384; leaf, device, plant and identity named for one
 * known chip. */
enum status gpu_chain_identify(const struct gpu_chain *c,
			       struct gpu_identity *out, struct err *err);

/* The digest of the firmware that the leaf's key was made for: of the
 * extension TcbInfo the first, of CompositeDeviceID the only one.  E_CRYPTO
 * unless exactly one of both is there, E_PARSE when it is malformed. */
enum status gpu_chain_fwid(const struct gpu_chain *c,
			   uint8_t out[static GPU_VALUE_LEN], struct err *err);

/* "hopper", "blackwell", "ls10". */
const char *gpu_arch_name(enum gpu_arch a);

#endif
