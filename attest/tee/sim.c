#include "attest/tee/sim.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/pem.h"
#include "core/x509.h"

#define SOURCE "confd-attest(7), SIM REPORT"
#define VERSION 1
#define DAY ((int64_t)24 * 60 * 60)
#define ROOT_DAYS 3650
#define DEVICE_DAYS 365
#define CLOCK_SKEW 300 /* seconds that a verifier may be behind us */
#define ROOT_FILE_MAX 16384

static const uint8_t magic[8] = "confdsim";

/* clang-format off */
enum { AT_MAGIC = 0, AT_VERSION = 8, AT_FLAGS = 12, AT_SVN = 16,
       AT_MEASUREMENT = 24, AT_REPORT_DATA = 72, AT_CHIP_ID = 136,
       AT_SIG_LEN = SIM_SIGNED_LEN, AT_SIG = SIM_SIGNED_LEN + 2 };

#define FIELD(at, m)                                 \
	{ at, sizeof(((struct sim_report *)0)->m), \
	  offsetof(struct sim_report, m) }
static const struct { size_t at, len, to; } fields[] = {
	FIELD(AT_MEASUREMENT, measurement),
	FIELD(AT_REPORT_DATA, report_data),
	FIELD(AT_CHIP_ID, chip_id),
};

/* Zero in this version; a set bit would be a statement that we do not know. */
static const struct { size_t from, to; } reserved[] = {
	{ 20, AT_MEASUREMENT },
	{ 168, SIM_SIGNED_LEN },
	{ AT_SIG + SIM_SIGNATURE_MAX, SIM_REPORT_LEN },
};

static const struct trace_rule
rule_form = { "sim.form", E_PARSE,
	"the report is not of the form that we know", SOURCE },
rule_certificates = { "sim.certificates", E_PARSE,
	"the chain is not a device's and a root's certificate", SOURCE },
rule_root = { "sim.root", E_CRYPTO,
	"the root key is not one that the manifest names", SOURCE },
rule_chain = { "sim.chain", E_CRYPTO,
	"the device's certificate is not signed by the root", SOURCE },
rule_validity = { "sim.validity", E_STALE,
	"a certificate is out of its time", SOURCE },
rule_chip = { "sim.chip_id", E_CRYPTO,
	"the chip id is not that of the key in the certificate", SOURCE },
rule_signature = { "sim.signature", E_CRYPTO,
	"the report is not signed by the device's key", SOURCE };

static const char *const mandatory[] = {
	"sim.form", "sim.certificates", "sim.root", "sim.chain",
	"sim.validity", "sim.chip_id", "sim.signature",
};
static const size_t n_mandatory = countof(mandatory);
/* clang-format on */

bool sim_available(void)
{
	return true;
}

/* ---- The report ---- */

static enum status check_reserved(struct slice raw, struct err *err)
{
	for (size_t i = 0; i < countof(reserved); i++)
		if (!all_zero(raw.p + reserved[i].from,
			      reserved[i].to - reserved[i].from))
			return err_set(err, E_PARSE,
				       "sim report: expected zero in the "
				       "reserved bytes at %zu, found others",
				       reserved[i].from);
	return OK;
}

static uint32_t u32_at(struct slice raw, size_t at)
{
	struct cursor c = cursor_make(slice_from(raw, at));

	return cursor_u32be(&c);
}

static enum status check_head(struct slice raw, struct err *err)
{
	uint32_t version = u32_at(raw, AT_VERSION);
	uint32_t flags = u32_at(raw, AT_FLAGS);

	if (memcmp(raw.p, magic, sizeof(magic)) != 0)
		return err_set(err, E_PARSE,
			       "sim report: expected \"confdsim\" in front, "
			       "found other bytes");
	if (version != VERSION)
		return err_set(err, E_PARSE,
			       "sim report: expected version %d, found %u",
			       VERSION, version);
	if ((flags & ~SIM_FLAG_DEBUG) != 0)
		return err_set(err, E_PARSE,
			       "sim report: expected no flag but debug, found "
			       "%#x",
			       flags);
	return OK;
}

static enum status check_signature_field(struct slice raw, size_t len,
					 struct err *err)
{
	if (len == 0 || len > SIM_SIGNATURE_MAX)
		return err_set(err, E_PARSE,
			       "sim report: expected a signature of at most "
			       "%d bytes, found %zu",
			       SIM_SIGNATURE_MAX, len);
	if (!all_zero(raw.p + AT_SIG + len, SIM_SIGNATURE_MAX - len))
		return err_set(err, E_PARSE,
			       "sim report: expected zero behind the "
			       "signature, found others");
	return OK;
}

enum status sim_report_parse(struct slice raw, struct sim_report *out,
			     struct err *err)
{
	struct sim_report r = { 0 };

	if (raw.len != SIM_REPORT_LEN)
		return err_set(err, E_PARSE,
			       "sim report: expected %d bytes, found %zu",
			       SIM_REPORT_LEN, raw.len);
	TRY(check_head(raw, err));
	TRY(check_reserved(raw, err));
	r.sig_len = (size_t)raw.p[AT_SIG_LEN] << 8 | raw.p[AT_SIG_LEN + 1];
	TRY(check_signature_field(raw, r.sig_len, err));

	r.debug = (u32_at(raw, AT_FLAGS) & SIM_FLAG_DEBUG) != 0;
	r.svn = u32_at(raw, AT_SVN);
	for (size_t i = 0; i < countof(fields); i++)
		memcpy((uint8_t *)&r + fields[i].to, raw.p + fields[i].at,
		       fields[i].len);
	memcpy(r.sig, raw.p + AT_SIG, r.sig_len);
	*out = r;
	return OK;
}

static void put_u32(uint8_t *to, uint32_t v)
{
	for (size_t i = 4; i > 0; i--, v >>= 8)
		to[i - 1] = (uint8_t)v;
}

void sim_report_write(const struct sim_report *r,
		      uint8_t out[static SIM_SIGNED_LEN])
{
	memset(out, 0, SIM_SIGNED_LEN);
	memcpy(out + AT_MAGIC, magic, sizeof(magic));
	put_u32(out + AT_VERSION, VERSION);
	put_u32(out + AT_FLAGS, r->debug ? SIM_FLAG_DEBUG : 0);
	put_u32(out + AT_SVN, r->svn);
	for (size_t i = 0; i < countof(fields); i++)
		memcpy(out + fields[i].at, (const uint8_t *)r + fields[i].to,
		       fields[i].len);
}

/* ---- The root ---- */

enum status sim_root_new(int64_t now, struct buf *out, struct err *err)
{
	const struct x509_template t = {
		.common_name = "confd-sim-root",
		.not_before = now - CLOCK_SKEW,
		.not_after = now + ROOT_DAYS * DAY,
		.ca = true,
	};
	auto_keypair struct keypair *key = NULL;
	auto_buf struct buf spki = buf_make(ROOT_FILE_MAX);
	auto_buf struct buf der = buf_make(ROOT_FILE_MAX);

	TRY(keypair_new(KEY_P384, &key, err));
	TRY(keypair_spki(key, &spki, err));
	TRY(x509_sign(&t, buf_slice(&spki), NULL, key, &der, err));
	TRY(keypair_pem(key, out, err));
	x509_pem(buf_slice(&der), out);
	return buf_check(out, "sim root", err);
}

/* The certificate, which stands behind the key. */
static enum status root_certificate(struct slice pem, struct x509 **out,
				    struct err *err)
{
	size_t at = pem_find(pem, "CERTIFICATE");

	if (at == pem.len)
		return err_set(err, E_PARSE,
			       "sim root: expected a certificate behind the "
			       "key, found none");
	if (x509_parse(slice_from(pem, at), out, err) != OK)
		return err_wrap(err, "sim root");
	return OK;
}

enum status sim_root_digest(struct slice pem, uint8_t out[static 32],
			    struct err *err)
{
	auto_x509 struct x509 *root = NULL;

	TRY(root_certificate(pem, &root, err));
	x509_spki_sha256(root, out);
	return OK;
}

/* ---- Measuring ---- */

static enum status hash_fd(int fd, struct hash *h, const char *path,
			   struct err *err)
{
	enum { CHUNK = 1 << 16 };
	auto_mem uint8_t *chunk = mem_must(CHUNK);
	ssize_t n;

	while ((n = read(fd, chunk, CHUNK)) != 0) {
		if (n > 0)
			hash_add(h, slice_make(chunk, (size_t)n));
		else if (errno != EINTR)
			return err_errno(err, "cannot read %s", path);
	}
	return OK;
}

enum status sim_measure_file(const char *path,
			     uint8_t out[static SIM_MEASUREMENT_LEN],
			     struct err *err)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, "cannot open %s", path);

	struct hash *h = hash_new(HASH_SHA384);
	enum status status = hash_fd(fd, h, path, err);
	if (status == OK)
		hash_finish(h, out);
	hash_free(h);
	return status;
}

enum status sim_measure_self(uint8_t out[static SIM_MEASUREMENT_LEN],
			     struct err *err)
{
	return sim_measure_file("/proc/self/exe", out, err);
}

/* ---- The device ---- */

struct sim_device {
	struct keypair *key;
	struct buf chain;	  /* PEM: its certificate, the root's */
	struct sim_report report; /* all but report_data and signature */
	uint8_t seal_key[32];
};

void sim_device_free(struct sim_device *d)
{
	if (d == NULL)
		return;
	keypair_free(d->key);
	buf_done(&d->chain);
	mem_free(d);
}

/* Have the device's new key certified by the root. */
static enum status certify(struct slice pem, const struct sim_options *o,
			   struct slice spki, struct buf *chain,
			   struct err *err)
{
	const struct x509_template t = {
		.common_name = "confd-sim-device",
		.not_before = o->not_before,
		.not_after = o->not_after,
	};
	auto_keypair struct keypair *key = NULL;
	auto_x509 struct x509 *root = NULL;
	auto_buf struct buf der = buf_make(ROOT_FILE_MAX);

	TRY(root_certificate(pem, &root, err));
	TRY(keypair_parse(slice_sub(pem, 0, pem_find(pem, "CERTIFICATE")), &key,
			  err));
	TRY(x509_sign(&t, spki, root, key, &der, err));
	x509_pem(buf_slice(&der), chain);
	x509_pem(x509_der(root), chain);
	return buf_check(chain, "sim device", err);
}

/* See sim_device_seal_key. */
static void derive_seal_key(struct sim_device *d, struct slice root_key)
{
	uint8_t prk[32], info[SIM_MEASUREMENT_LEN + 1];

	memcpy(info, d->report.measurement, SIM_MEASUREMENT_LEN);
	info[SIM_MEASUREMENT_LEN] = d->report.debug;
	hkdf_extract(S("confd-sim-seal-v1"), root_key, prk);
	hkdf_expand(slice_of(prk), slice_of(info), d->seal_key,
		    sizeof(d->seal_key));
	explicit_bzero(prk, sizeof(prk));
}

enum status sim_device_new(struct slice pem, const struct sim_options *o,
			   struct sim_device **out, struct err *err)
{
	auto_buf struct buf spki = buf_make(ROOT_FILE_MAX);
	auto_sim_device struct sim_device *d = mem_must(sizeof(*d));

	d->chain = buf_make(2 * ROOT_FILE_MAX);
	d->report.debug = o->debug;
	d->report.svn = o->svn;
	memcpy(d->report.measurement, o->measurement, SIM_MEASUREMENT_LEN);
	TRY(keypair_new(KEY_P384, &d->key, err));
	TRY(keypair_spki(d->key, &spki, err));
	sha256(buf_slice(&spki), d->report.chip_id);
	TRY(certify(pem, o, buf_slice(&spki), &d->chain, err));
	derive_seal_key(d, slice_sub(pem, 0, pem_find(pem, "CERTIFICATE")));
	*out = take(d);
	return OK;
}

void sim_device_seal_key(const struct sim_device *d, uint8_t out[static 32])
{
	memcpy(out, d->seal_key, 32);
}

enum status sim_device_issue(struct sim_device *d,
			     const uint8_t report_data[static 64],
			     struct evidence *out, struct err *err)
{
	struct sim_report r = d->report;
	uint8_t raw[SIM_REPORT_LEN] = { 0 };
	auto_buf struct buf sig = buf_make(SIM_SIGNATURE_MAX);

	memcpy(r.report_data, report_data, sizeof(r.report_data));
	sim_report_write(&r, raw);
	TRY(keypair_sign(d->key, slice_make(raw, SIM_SIGNED_LEN), &sig, err));
	TRY(buf_check(&sig, "sim report: signature", err));
	raw[AT_SIG_LEN + 1] = (uint8_t)sig.len;
	memcpy(raw + AT_SIG, buf_slice(&sig).p, sig.len);

	buf_clear(&out->report);
	buf_put(&out->report, slice_of(raw));
	TRY(buf_check(&out->report, "sim report", err));
	TRY(evidence_set_tee(out, tee_sim.name, err));
	return evidence_add_text(&out->collateral, S("chain"),
				 buf_slice(&d->chain), err);
}

/* ---- Verifying ---- */

struct chain {
	struct x509 *cert[2]; /* device, root */
	size_t n;
};

static void chain_done(struct chain *c)
{
	for (size_t i = 0; i < c->n; i++)
		x509_free(c->cert[i]);
}
#define auto_chain __attribute__((cleanup(chain_done)))

/* Nothing but the certificates, so that no two texts mean the same chain. */
static bool is_canonical(const struct chain *c, struct slice text)
{
	auto_buf struct buf again = buf_make(EVIDENCE_TEXT_MAX);

	for (size_t i = 0; i < c->n; i++)
		x509_pem(x509_der(c->cert[i]), &again);
	return !again.bad && slice_eq(text, buf_slice(&again));
}

/* Exactly "chain" in the collateral, exactly two certificates in it. */
static bool read_chain(const struct tee_case *c, struct trace *trace,
		       struct chain *chain)
{
	const struct evidence_texts *texts = &c->evidence->collateral;
	struct err err;

	trace_expect(trace, "a device's certificate and the root's");
	if (texts->n != 1 || evidence_text(texts, "chain").len == 0) {
		trace_find(trace, "%zu texts of collateral%s", texts->n,
			   texts->n == 1 ? ", not named chain" : "");
		return trace_step(trace, &rule_certificates, false);
	}
	if (x509_parse_chain(evidence_text(texts, "chain"), chain->cert,
			     countof(chain->cert), &chain->n, &err) != OK) {
		trace_step_err(trace, &rule_certificates, &err);
		return false;
	}
	bool whole = chain->n == countof(chain->cert) &&
		     is_canonical(chain, evidence_text(texts, "chain"));
	trace_find(trace, "%zu certificates%s", chain->n,
		   whole ? "" : ", or text around them");
	return trace_step(trace, &rule_certificates, whole);
}

static bool check_root(const struct tee_case *c, const struct chain *chain,
		       struct trace *trace, uint8_t root[static 32])
{
	bool named = false;

	x509_spki_sha256(chain->cert[1], root);
	for (size_t i = 0; i < c->n_roots; i++) {
		trace_expect(trace, i == 0 ? "" : " or ");
		trace_expect_bytes(trace, slice_of(c->roots[i]));
		named |= memcmp(c->roots[i], root, 32) == 0;
	}
	if (c->n_roots == 0)
		trace_expect(trace, "a root that the manifest names");
	trace_find_bytes(trace, slice_make(root, 32));
	return trace_step(trace, &rule_root, named);
}

/* Signatures, names and what the root may do.  A certificate out of its time
 * is the next step's. */
static bool check_chain(const struct tee_case *c, const struct chain *chain,
			struct trace *trace)
{
	struct err err = { 0 };

	trace_expect(trace, "device signed by root, root by itself");
	enum status status = x509_verify_self(chain->cert[1], c->now, &err);
	if (status == OK || status == E_STALE)
		status = x509_verify(chain->cert[0], chain->cert[1], c->now,
				     &err);
	if (status != OK && status != E_STALE) {
		trace_step_err(trace, &rule_chain, &err);
		return false;
	}
	trace_find(trace, "the same");
	return trace_step(trace, &rule_chain, true);
}

static bool check_validity(const struct tee_case *c, const struct chain *chain,
			   struct trace *trace, int64_t *valid_until)
{
	int64_t from = INT64_MIN, to = INT64_MAX;

	for (size_t i = 0; i < chain->n; i++) {
		int64_t not_before = x509_not_before(chain->cert[i]);
		int64_t not_after = x509_not_after(chain->cert[i]);

		from = not_before > from ? not_before : from;
		to = not_after < to ? not_after : to;
	}
	*valid_until = to;
	trace_expect(trace, "a time from %lld to %lld", (long long)from,
		     (long long)to);
	trace_find(trace, "%lld", (long long)c->now);
	return trace_step(trace, &rule_validity,
			  from <= c->now && c->now <= to);
}

/* The key that signed is the certificate's, and is the chip that it says. */
static bool check_device(const struct tee_case *c, const struct x509 *device,
			 const struct sim_report *r, struct trace *trace)
{
	struct slice raw = buf_slice(&c->evidence->report);
	uint8_t id[32];
	struct err err;

	x509_spki_sha256(device, id);
	if (!trace_step_bytes(trace, &rule_chip, slice_of(id),
			      slice_of(r->chip_id)))
		return false;
	trace_expect(trace, "ECDSA P-384 by the device's key");
	if (spki_verify(x509_spki(device), slice_sub(raw, 0, SIM_SIGNED_LEN),
			slice_make(r->sig, r->sig_len), &err) != OK) {
		trace_step_err(trace, &rule_signature, &err);
		return false;
	}
	trace_find(trace, "the same");
	return trace_step(trace, &rule_signature, true);
}

static bool read_report(const struct tee_case *c, struct trace *trace,
			struct sim_report *r)
{
	struct err err;

	trace_expect(trace, "a report of %d bytes, version %d", SIM_REPORT_LEN,
		     VERSION);
	if (sim_report_parse(buf_slice(&c->evidence->report), r, &err) != OK) {
		trace_step_err(trace, &rule_form, &err);
		return false;
	}
	trace_find(trace, "the same");
	return trace_step(trace, &rule_form, true);
}

static void fill_claims(const struct tee_case *c, const struct sim_report *r,
			struct claims *out)
{
	out->tee = tee_sim.name;
	claims_add_measurement(out, "measurement", slice_of(r->measurement));
	claims_add_tcb(out, "svn", r->svn);
	memcpy(out->report_data, r->report_data, sizeof(out->report_data));
	out->debug = r->debug;
	out->chip_id_len = sizeof(r->chip_id);
	memcpy(out->chip_id, r->chip_id, sizeof(r->chip_id));
	sha256(buf_slice(&c->evidence->report), out->report);
}

static enum status verify(const struct tee_case *c, struct trace *trace,
			  struct claims *claims, struct err *err)
{
	struct sim_report r;
	auto_chain struct chain chain = { 0 };
	struct claims found = { 0 };

	if (!read_report(c, trace, &r) || !read_chain(c, trace, &chain) ||
	    !check_root(c, &chain, trace, found.root) ||
	    !check_chain(c, &chain, trace) ||
	    !check_validity(c, &chain, trace, &found.valid_until) ||
	    !check_device(c, chain.cert[0], &r, trace))
		return trace_error(trace, err);
	fill_claims(c, &r, &found);
	*claims = found;
	return OK;
}

/* ---- The row of the table ---- */

static enum status detect(const struct tee_settings *s, struct err *err)
{
	if (s->sim_root != NULL)
		return OK;
	return err_set(err, E_NOTFOUND, "no root key for a software TEE");
}

static enum status open_device(const struct tee_settings *s, void **device,
			       struct err *err)
{
	auto_secret struct secret *pem = NULL;
	int64_t now = clock_wall();
	struct sim_options o = {
		.svn = SIM_SVN,
		.not_before = now - CLOCK_SKEW,
		.not_after = now + DEVICE_DAYS * DAY,
	};
	struct sim_device *d = NULL;

	if (s->sim_root == NULL)
		return err_set(err, E_CONF,
			       "the software TEE needs a root key: make one "
			       "and name its file");
	TRY(file_read_secret(s->sim_root, ROOT_FILE_MAX, &pem, err));
	TRY(sim_measure_self(o.measurement, err));
	TRY(sim_device_new(secret_slice(pem), &o, &d, err));
	*device = d;
	return OK;
}

static enum status seal_key(void *device, uint8_t out[static 32],
			    struct err *err)
{
	(void)err; /* there always is one */
	sim_device_seal_key(device, out);
	return OK;
}

static void close_device(void *device)
{
	sim_device_free(device);
}

static enum status issue(void *device, const uint8_t report_data[static 64],
			 struct evidence *out, struct err *err)
{
	return sim_device_issue(device, report_data, out, err);
}

const struct tee tee_sim = {
	.name = "sim",
	.title = "software TEE",
	.warning = "the software TEE protects nothing: whoever runs this "
		   "machine can read all of it",
	.mandatory = mandatory,
	.n_mandatory = &n_mandatory,
	.detect = detect,
	.open = open_device,
	.close = close_device,
	.issue = issue,
	.seal_key = seal_key,
	.verify = verify,
};
