#include "attest/tee/gpu_chain.h"

#include <stdio.h>

#include "core/cleanup.h"
#include "core/x509_usage.h"

#define OID_COMPOSITE "2.23.133.5.4.1" /* CompositeDeviceID; Hopper's */
#define OID_TCB_INFO "2.23.133.5.4.1.1"
#define OID_SHA384 "2.16.840.1.101.3.4.2.2"
#define TCB_FWIDS 6		     /* of TcbInfo: [6] */
#define SERIAL_LEN (1 + GPU_PDI_LEN) /* of a device: its kind, its PDI */

static const char *const arch_names[] = {
	[GPU_ARCH_HOPPER] = "hopper",
	[GPU_ARCH_BLACKWELL] = "blackwell",
	[GPU_ARCH_LS10] = "ls10",
};

/* clang-format off */
/* Chips that we know: how their name begins, and the certificates above the
 * device's.  The switch's chip has the identity of its GPU. */
static const struct {
	const char *chip, *provisioner, *identity, *product;
	enum gpu_arch arch;
	bool is_switch;
} chips[] = {
	{ "GH100", "NVIDIA GH100 Provisioner ICA ", "NVIDIA GH100 Identity",
	  "GH100", GPU_ARCH_HOPPER, false },
	{ "GB1", "NVIDIA GB1", "NVIDIA GB1", "GB1",
	  GPU_ARCH_BLACKWELL, false },
	{ "GB2", "NVIDIA GB2", "NVIDIA GB2", "GB2",
	  GPU_ARCH_BLACKWELL, false },
	{ "LS_10", "NVIDIA LS_10 Provisioner ICA ", "NVIDIA GH100 Identity",
	  "LS10", GPU_ARCH_LS10, true },
};
/* clang-format on */

const char *gpu_arch_name(enum gpu_arch a)
{
	return (size_t)a < countof(arch_names) ? arch_names[a] : "unknown";
}

/* ---- The chain ---- */

void gpu_chain_done(struct gpu_chain *c)
{
	while (c->n > 0) {
		c->n--;
		x509_free(take(c->cert[c->n]));
	}
}

enum status gpu_chain_parse(struct slice pem, struct gpu_chain *out,
			    struct err *err)
{
	auto_gpu_chain struct gpu_chain c = { 0 };

	TRY(x509_parse_chain(pem, c.cert, GPU_CHAIN_LEN, &c.n, err));
	if (c.n != GPU_CHAIN_LEN)
		return err_set(err, E_PARSE,
			       "gpu chain: expected %d certificates, found %zu",
			       GPU_CHAIN_LEN, c.n);
	*out = c;
	c.n = 0;
	return OK;
}

enum status gpu_chain_check(const struct gpu_chain *c, struct err *err)
{
	for (size_t i = 0; i < c->n; i++) {
		size_t above = i + 1 < c->n ? i + 1 : i;
		enum status s = x509_verify(c->cert[i], c->cert[above],
					    x509_not_before(c->cert[i]), err);

		if (s != OK && s != E_STALE)
			return err_wrap(err, "gpu chain");
	}
	return OK;
}

/* ---- Who it is ---- */

static bool ends_with(struct slice s, struct slice end)
{
	return s.len >= end.len &&
	       slice_eq(slice_from(s, s.len - end.len), end);
}

/* Up to the first space. */
static struct slice first_word(struct slice s)
{
	return slice_sub(s, 0, slice_find(s, ' '));
}

static struct slice name_of(const struct gpu_chain *c, enum gpu_chain_cert i)
{
	return x509_common_name(c->cert[i]);
}

static bool is_chip(const struct gpu_chain *c, size_t i)
{
	struct slice provisioner = name_of(c, GPU_CHAIN_PROVISIONER);
	struct slice identity = name_of(c, GPU_CHAIN_IDENTITY);

	return slice_starts(first_word(name_of(c, GPU_CHAIN_LEAF)),
			    slice_str(chips[i].chip)) &&
	       slice_starts(provisioner, slice_str(chips[i].provisioner)) &&
	       slice_search(provisioner, S(" Provisioner ICA ")) <
		       provisioner.len &&
	       slice_starts(identity, slice_str(chips[i].identity)) &&
	       ends_with(identity, S(" Identity"));
}

static enum status check_names(const struct gpu_chain *c, size_t *chip,
			       struct err *err)
{
	struct slice leaf = name_of(c, GPU_CHAIN_LEAF);
	struct slice device = name_of(c, GPU_CHAIN_DEVICE);

	if (!ends_with(leaf, S(" FMC LF")) || !ends_with(device, S(" BROM")) ||
	    !slice_eq(first_word(leaf), first_word(device)) ||
	    first_word(leaf).len > GPU_TEXT_MAX)
		return err_set(err, E_CRYPTO,
			       "gpu chain: expected a firmware's and its "
			       "device's certificate of one chip, found "
			       "\"%.*s\" and \"%.*s\"",
			       SLICE_FMT(slice_sub(leaf, 0, 64)),
			       SLICE_FMT(slice_sub(device, 0, 64)));
	*chip = 0;
	while (*chip < countof(chips) && !is_chip(c, *chip))
		++*chip;
	if (*chip == countof(chips))
		return err_set(err, E_CRYPTO,
			       "gpu chain: \"%.*s\" is not a chip that is "
			       "known, or not certified as one",
			       SLICE_FMT(slice_sub(leaf, 0, 64)));
	return OK;
}

/* A device's own certificate, in its place, must not sign for another. */
static enum status check_leaf(const struct x509 *leaf, struct err *err)
{
	size_t bits;

	if (x509_key(leaf, &bits) != X509_KEY_EC || bits != 384)
		return err_set(err, E_CRYPTO,
			       "gpu chain: the leaf's key is not P-384");
	if (x509_usage_is_ca(leaf))
		return err_set(err, E_CRYPTO,
			       "gpu chain: the leaf is a CA, not a key that "
			       "signs reports");
	return x509_usage_signs(leaf, err);
}

enum status gpu_chain_identify(const struct gpu_chain *c,
			       struct gpu_identity *out, struct err *err)
{
	struct gpu_identity id = { 0 };
	struct slice serial = x509_serial(c->cert[GPU_CHAIN_DEVICE]);
	struct slice chip = first_word(name_of(c, GPU_CHAIN_LEAF));
	size_t row;

	TRY(check_names(c, &row, err));
	TRY(check_leaf(c->cert[GPU_CHAIN_LEAF], err));
	if (serial.len != SERIAL_LEN)
		return err_set(err, E_CRYPTO,
			       "gpu chain: the device's serial number: "
			       "expected %d bytes, found %zu",
			       SERIAL_LEN, serial.len);
	(void)snprintf(id.chip, sizeof(id.chip), "%.*s", SLICE_FMT(chip));
	id.arch = chips[row].arch;
	id.is_switch = chips[row].is_switch;
	id.product = chips[row].product;
	memcpy(id.pdi, serial.p + 1, sizeof(id.pdi));
	x509_spki_sha256(c->cert[GPU_CHAIN_DEVICE], id.device);
	x509_spki_sha256(c->cert[GPU_CHAIN_LEAF], id.leaf);
	*out = id;
	return OK;
}

/* ---- The firmware's digest ---- */

/* FWID: SEQUENCE of the hash's name and a digest. */
static struct slice read_fwid(struct der *d)
{
	struct der f = der_enter(d, DER_SEQUENCE);

	if (!der_oid_is(der_oid(&f), OID_SHA384))
		f.bad = true;
	struct slice digest = der_get(&f, DER_OCTET_STRING);
	if (digest.len != GPU_VALUE_LEN)
		f.bad = true;
	der_leave(d, &f);
	return digest;
}

/* SEQUENCE of version 1, the device's key, and the firmware's FWID. */
static struct slice read_composite(struct der *d)
{
	struct der s = der_enter(d, DER_SEQUENCE);

	if (der_u64(&s, UINT8_MAX) != 1)
		s.bad = true;
	(void)der_get(&s, DER_SEQUENCE);
	struct slice digest = read_fwid(&s);
	der_leave(d, &s);
	return digest;
}

/* DiceTcbInfo: optional members by ascending tag. */
static struct slice read_tcb_info(struct der *d)
{
	struct der s = der_enter(d, DER_SEQUENCE);
	struct slice digest = { 0 };
	uint8_t tag, last = 0;

	while (der_more(&s)) {
		struct der peek = s;
		struct slice value = der_any(&s, &tag);
		uint8_t n = tag & 0x1f;

		if ((tag & DER_CONTEXT) == 0 || (last != 0 && n < last))
			s.bad = true;
		last = n + 1;
		if (n != TCB_FWIDS)
			continue;
		struct der list = der_enter(&peek, DER_CONSTRUCTED | TCB_FWIDS);
		digest = read_fwid(&list); /* the first: the layer's own */
		while (der_more(&list))
			(void)read_fwid(&list);
		s.bad |= list.bad || value.len == 0;
	}
	der_leave(d, &s);
	return digest;
}

enum status gpu_chain_fwid(const struct gpu_chain *c,
			   uint8_t out[static GPU_VALUE_LEN], struct err *err)
{
	const struct x509 *leaf = c->cert[GPU_CHAIN_LEAF];
	struct slice composite, tcb_info;
	struct err other;
	enum status a = x509_extension(leaf, OID_COMPOSITE, &composite, err);
	enum status b = x509_extension(leaf, OID_TCB_INFO, &tcb_info, &other);

	if ((a == OK) == (b == OK))
		return err_set(err, E_CRYPTO,
			       "gpu chain: the leaf: expected one extension "
			       "with the firmware's digest");
	struct der d = der_make(a == OK ? composite : tcb_info);
	struct slice digest = a == OK ? read_composite(&d) : read_tcb_info(&d);
	TRY(der_end(&d, "gpu chain: firmware's digest", err));
	if (digest.len != GPU_VALUE_LEN)
		return err_set(err, E_PARSE,
			       "gpu chain: the leaf has no firmware's digest");
	memcpy(out, digest.p, digest.len);
	return OK;
}
