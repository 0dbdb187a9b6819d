/* NVIDIA devices of our own making: chains, reports, reference values and
 * OCSP responses as genuine ones are, under roots of our own.  What is forged
 * here is written by hand, not by the code that it is to test. */
#ifndef CONFD_TEST_ATTEST_TEE_GPU_FORGE_H
#define CONFD_TEST_ATTEST_TEE_GPU_FORGE_H

#include "attest/tee/gpu_verify.h"
#include "test/core/pki_forge.h"

#define GPU_FORGE_NOW PKI_2030
#define GPU_FORGE_MAX 65536 /* bytes of a text */
#define GPU_FORGE_DRIVER "570.86.15"
#define GPU_FORGE_VBIOS "96.00.74.00.1A"

/* Kinds of devices. */
enum gpu_forge_chip { GPU_FORGE_GH100, GPU_FORGE_GB100, GPU_FORGE_LS10 };

/* A vendor. */
struct gpu_forge {
	enum gpu_forge_chip chip;
	struct pki_cert root, identity, provisioner;
	struct pki_cert rim_root, rim_ca, rim_l3, rim_signer;
	uint8_t roots[1][32], rim_roots[1][32];
	struct buf driver_rim, vbios_rim; /* for the versions above */
};
void gpu_forge_make(enum gpu_forge_chip chip, struct gpu_forge *f);
void gpu_forge_done(struct gpu_forge *f);
#define auto_gpu_forge __attribute__((cleanup(gpu_forge_done)))

/* A device of a vendor; id tells it from others. */
struct gpu_forge_device {
	enum gpu_forge_chip chip;
	uint8_t pdi[GPU_PDI_LEN], fwid[GPU_VALUE_LEN];
	struct pki_cert device, leaf;
	struct buf chain; /* PEM */
};
void gpu_forge_device(const struct gpu_forge *f, uint8_t id,
		      struct gpu_forge_device *d);
void gpu_forge_device_done(struct gpu_forge_device *d);
#define auto_gpu_forge_device __attribute__((cleanup(gpu_forge_device_done)))

/* What a report says. */
struct gpu_forge_report {
	uint8_t nonce[GPU_NONCE_LEN];
	const char *driver; /* NULL: left out */
	uint8_t vbios[5];   /* 0x96, 0, 0x74, 0, 0x1a */
	bool fwid, other_fwid;
	uint8_t nvdec0, ppcie; /* 0xaa, 0x55; 0: left out */
	int feature;	       /* -1: left out */
	uint8_t changed;       /* index of a value that is another */
	size_t n_pdis;	       /* of neighbours, as they are reported */
	uint8_t pdi[GPU_PDIS_MAX][GPU_PDI_LEN];
	struct slice more; /* opaque fields behind the others */
};

/* As a well-behaved device of that kind. */
struct gpu_forge_report gpu_forge_plain(const struct gpu_forge_device *d);

/* The bytes, signed by the leaf. */
void gpu_forge_report(const struct gpu_forge_device *d,
		      const struct gpu_forge_report *r, struct buf *out);

/* Reference values, signed; what changes them is named. */
struct gpu_forge_rim {
	bool vbios; /* else the driver's */
	const char *version, *product, *edition;
	const char *payload; /* more of it, canonical; or NULL */
	bool conflict;	     /* says that all indices are its */
	bool none_active;
	const struct pki_cert *signer; /* NULL: the vendor's */
};
struct gpu_forge_rim gpu_forge_rim_plain(const struct gpu_forge *f, bool vbios);
void gpu_forge_rim(const struct gpu_forge *f, const struct gpu_forge_rim *r,
		   struct buf *out);

/* The case of a device and its report; nonce has to stay. */
struct gpu_case gpu_forge_case(const struct gpu_forge *f,
			       const struct gpu_forge_device *d,
			       const struct buf *report, const uint8_t *nonce);

#endif
