#include "core/cleanup.h"
#include "test/attest/tee/gpu_forge.h"
#include "test/test.h"

/* Verify the device's report; the step that failed first, or "". */
static enum status verify(const struct gpu_case *c, struct gpu_claims *claims,
			  char step[static 64])
{
	auto_trace struct trace t = { 0 };
	struct err err;
	enum status s = gpu_verify(c, &t, claims, &err);
	const struct trace_step *f = trace_first_failure(&t);

	(void)snprintf(step, 64, "%s", f == NULL ? "" : f->rule->step);
	return s;
}

static enum status verify_report(const struct gpu_forge *f,
				 const struct gpu_forge_device *d,
				 const struct gpu_forge_report *r,
				 struct gpu_claims *claims,
				 char step[static 64])
{
	auto_buf struct buf report = buf_make(GPU_FORGE_MAX);

	gpu_forge_report(d, r, &report);
	struct gpu_case c = gpu_forge_case(f, d, &report, r->nonce);
	return verify(&c, claims, step);
}

TEST(forged_devices_of_each_chip_are_genuine_under_their_roots)
{
	static const char *const archs[] = { "hopper", "blackwell", "ls10" };

	for (int chip = GPU_FORGE_GH100; chip <= GPU_FORGE_LS10; chip++) {
		auto_gpu_forge struct gpu_forge f;
		auto_gpu_forge_device struct gpu_forge_device d;
		auto_buf struct buf report = buf_make(GPU_FORGE_MAX);
		auto_trace struct trace t = { 0 };
		struct gpu_claims claims;
		struct err err = { 0 };
		char step[64];

		gpu_forge_make((enum gpu_forge_chip)chip, &f);
		gpu_forge_device(&f, 1, &d);
		struct gpu_forge_report r = gpu_forge_plain(&d);
		gpu_forge_report(&d, &r, &report);
		struct gpu_case c = gpu_forge_case(&f, &d, &report, r.nonce);
		CHECK(gpu_verify(&c, &t, &claims, &err) == OK);
		CHECK(trace_ok(&t, gpu_verify_mandatory,
			       gpu_verify_n_mandatory));
		CHECK_STR_EQ(gpu_arch_name(claims.id.arch), archs[chip]);
		CHECK_STR_EQ(claims.vbios, GPU_FORGE_VBIOS);
		CHECK(!claims.root_pinned);
		CHECK(claims.id.is_switch == (chip == GPU_FORGE_LS10));
		CHECK(memcmp(claims.id.pdi, d.pdi, 8) == 0);
		CHECK_EQ_U64(claims.n_measurements,
			     chip == GPU_FORGE_LS10 ? 31 : 63);
		CHECK_EQ_U64(claims.valid_until, PKI_2040);

		c.n_roots = 0;
		CHECK(verify(&c, &claims, step) == E_CRYPTO);
		CHECK_STR_EQ(step, "gpu.chain.root");
		c.n_roots = 1;
		c.n_rim_roots = 0;
		CHECK(verify(&c, &claims, step) == E_CRYPTO);
		CHECK(strstr(step, "_rim.chain") != NULL);
	}
}

/* PEM of these, and the vendor's three above. */
static void put_chain(const struct gpu_forge *f, const struct pki_cert *leaf,
		      const struct pki_cert *device, struct buf *out)
{
	const struct pki_cert *chain[] = { leaf, device, &f->provisioner,
					   &f->identity, &f->root };

	buf_clear(out);
	for (size_t i = 0; i < countof(chain); i++)
		x509_pem(buf_slice(&chain[i]->der), out);
}

TEST(chains_that_do_not_hold_are_refused)
{
	auto_gpu_forge struct gpu_forge f;
	auto_gpu_forge_device struct gpu_forge_device d, other;
	auto_pki struct pki_cert leaf;
	auto_buf struct buf report = buf_make(GPU_FORGE_MAX);
	auto_buf struct buf chain = buf_make(GPU_FORGE_MAX);
	struct gpu_claims claims;
	char step[64];

	gpu_forge_make(GPU_FORGE_GH100, &f);
	gpu_forge_device(&f, 1, &d);
	gpu_forge_device(&f, 2, &other);
	struct gpu_forge_report r = gpu_forge_plain(&d);
	gpu_forge_report(&d, &r, &report);
	struct gpu_case c = gpu_forge_case(&f, &d, &report, r.nonce);
	c.chain = slice_sub(c.chain, 0, c.chain.len / 2);
	CHECK(verify(&c, &claims, step) == E_PARSE);
	CHECK_STR_EQ(step, "gpu.chain.form");

	put_chain(&f, &d.leaf, &other.device, &chain);
	c.chain = buf_slice(&chain);
	CHECK(verify(&c, &claims, step) == E_CRYPTO);
	CHECK_STR_EQ(step, "gpu.chain.signatures");

	const struct pki_spec spec = { .name = "GH100 A01 GSP OS LF",
				       .usage = PKI_SIGNS };
	pki_make(&spec, &d.device, &leaf);
	put_chain(&f, &leaf, &d.device, &chain);
	c.chain = buf_slice(&chain);
	CHECK(verify(&c, &claims, step) == E_CRYPTO);
	CHECK_STR_EQ(step, "gpu.chain.device");
}

TEST(reference_values_that_were_changed_are_refused)
{
	auto_gpu_forge struct gpu_forge f;
	auto_gpu_forge_device struct gpu_forge_device d;
	auto_buf struct buf report = buf_make(GPU_FORGE_MAX);
	struct gpu_claims claims;
	char step[64];

	gpu_forge_make(GPU_FORGE_GH100, &f);
	gpu_forge_device(&f, 1, &d);
	struct gpu_forge_report r = gpu_forge_plain(&d);
	gpu_forge_report(&d, &r, &report);
	struct gpu_case c = gpu_forge_case(&f, &d, &report, r.nonce);
	c.vbios_rim = S("<SoftwareIdentity");
	CHECK(verify(&c, &claims, step) == E_PARSE);
	CHECK_STR_EQ(step, "gpu.vbios_rim.form");
	c.vbios_rim = buf_slice(&f.vbios_rim);
	struct buf *const rims[] = { &f.driver_rim, &f.vbios_rim };
	static const char *const steps[] = { "gpu.driver_rim.signature",
					     "gpu.vbios_rim.signature" };
	for (size_t i = 0; i < countof(rims); i++) {
		size_t at = slice_search(buf_slice(rims[i]), S("Hash0=\"")) + 7;
		uint8_t *digit = rims[i]->mem + rims[i]->head + at;

		CHECK(at < rims[i]->len);
		uint8_t was = *digit;
		*digit = was == '0' ? '1' : '0';
		CHECK(verify(&c, &claims, step) == E_CRYPTO);
		CHECK_STR_EQ(step, steps[i]);
		*digit = was;
	}
	CHECK(verify(&c, &claims, step) == OK);
}

/* A root of one kind is none of the other. */
TEST(roots_of_devices_and_of_manifests_are_not_exchanged)
{
	auto_gpu_forge struct gpu_forge f;
	auto_gpu_forge_device struct gpu_forge_device d;
	auto_buf struct buf report = buf_make(GPU_FORGE_MAX);
	struct gpu_claims claims;
	char step[64];

	gpu_forge_make(GPU_FORGE_GH100, &f);
	gpu_forge_device(&f, 1, &d);
	struct gpu_forge_report r = gpu_forge_plain(&d);
	gpu_forge_report(&d, &r, &report);
	struct gpu_case c = gpu_forge_case(&f, &d, &report, r.nonce);
	c.roots = f.rim_roots;
	CHECK(verify(&c, &claims, step) == E_CRYPTO);
	CHECK_STR_EQ(step, "gpu.chain.root");
	c = gpu_forge_case(&f, &d, &report, r.nonce);
	c.rim_roots = f.roots;
	CHECK(verify(&c, &claims, step) == E_CRYPTO);
	CHECK_STR_EQ(step, "gpu.driver_rim.chain");
}

TEST(reports_that_say_something_wrong_are_refused)
{
	auto_gpu_forge struct gpu_forge f;
	auto_gpu_forge_device struct gpu_forge_device d;
	struct gpu_claims claims = { .n_measurements = 77 };
	char step[64];

	gpu_forge_make(GPU_FORGE_GH100, &f);
	gpu_forge_device(&f, 1, &d);
	const struct gpu_forge_report plain = gpu_forge_plain(&d);
	struct gpu_forge_report r = plain;

	r.other_fwid = true;
	CHECK(verify_report(&f, &d, &r, &claims, step) == E_CRYPTO);
	CHECK_STR_EQ(step, "gpu.report.fwid");
	r = plain;
	r.fwid = false; /* drivers of this version report one */
	CHECK(verify_report(&f, &d, &r, &claims, step) == E_CRYPTO);
	CHECK_STR_EQ(step, "gpu.report.fwid");
	r = plain;
	r.driver = NULL;
	CHECK(verify_report(&f, &d, &r, &claims, step) == E_CRYPTO);
	CHECK_STR_EQ(step, "gpu.report.versions");
	r = plain;
	r.driver = "570.86.16";
	CHECK(verify_report(&f, &d, &r, &claims, step) == E_CRYPTO);
	CHECK_STR_EQ(step, "gpu.driver_rim.version");
	r = plain;
	r.vbios[4]++;
	CHECK(verify_report(&f, &d, &r, &claims, step) == E_CRYPTO);
	CHECK_STR_EQ(step, "gpu.vbios_rim.version");
	r = plain;
	r.ppcie = 0xab;
	CHECK(verify_report(&f, &d, &r, &claims, step) == E_PARSE);
	r = plain;
	r.feature = 3;
	CHECK(verify_report(&f, &d, &r, &claims, step) == E_PARSE);
	r = plain;
	r.more = S("\3\0\2\0"
		   "9\0"); /* a second driver */
	CHECK(verify_report(&f, &d, &r, &claims, step) == E_PARSE);
	r.more = S("\xff\0\0\0"); /* a type that is never written */
	CHECK(verify_report(&f, &d, &r, &claims, step) == E_PARSE);
	r.more = S("\3\0\2"); /* cut */
	CHECK(verify_report(&f, &d, &r, &claims, step) == E_PARSE);
	CHECK(claims.n_measurements == 77);
	r.more = S("\xee\1\3\0abc"); /* one that we do not know */
	CHECK(verify_report(&f, &d, &r, &claims, step) == OK);
}

/* Every index that a manifest says is active counts, but the decoder's while
 * it is off. */
TEST(every_active_measurement_counts)
{
	auto_gpu_forge struct gpu_forge f;
	auto_gpu_forge_device struct gpu_forge_device d;
	struct gpu_claims claims;
	char step[64];

	gpu_forge_make(GPU_FORGE_GB100, &f);
	gpu_forge_device(&f, 1, &d);
	struct gpu_forge_report r = gpu_forge_plain(&d);
	for (uint8_t i = 0; i < 64; i += (uint8_t)test_stride(5)) {
		r.changed = i;
		r.nvdec0 = 0x55;
		enum status s = verify_report(&f, &d, &r, &claims, step);
		CHECK(s == (i == 35 ? OK : E_CRYPTO));
		CHECK_STR_EQ(step, i == 35 ? "" : "gpu.measurements");
	}
	r.changed = 35;
	r.nvdec0 = 0xaa;
	CHECK(verify_report(&f, &d, &r, &claims, step) == E_CRYPTO);
	r.nvdec0 = 0;
	CHECK(verify_report(&f, &d, &r, &claims, step) == E_CRYPTO);
	r.changed = 0xff;
	CHECK(verify_report(&f, &d, &r, &claims, step) == OK);
	CHECK(claims.n_measurements == 64 && !claims.nvdec0_skipped);
}

static enum status with_rim(const struct gpu_forge *f,
			    const struct gpu_forge_device *d,
			    const struct gpu_forge_rim *rim,
			    char step[static 64])
{
	auto_buf struct buf report = buf_make(GPU_FORGE_MAX);
	auto_buf struct buf xml = buf_make(GPU_FORGE_MAX);
	struct gpu_forge_report r = gpu_forge_plain(d);
	struct gpu_claims claims;

	gpu_forge_rim(f, rim, &xml);
	gpu_forge_report(d, &r, &report);
	struct gpu_case c = gpu_forge_case(f, d, &report, r.nonce);
	*(rim->vbios ? &c.vbios_rim : &c.driver_rim) = buf_slice(&xml);
	return verify(&c, &claims, step);
}

TEST(manifests_that_do_not_fit_are_refused)
{
	auto_gpu_forge struct gpu_forge f, other;
	auto_gpu_forge_device struct gpu_forge_device d;
	auto_pki struct pki_cert ca = { 0 }, late = { 0 };
	const struct pki_spec as_ca = { .name = "RIM L4 Signer",
					.ca = true,
					.usage = PKI_SIGNS | PKI_CERTIFIES };
	const struct pki_spec ends = { .name = "RIM L4 Signer",
				       .usage = PKI_SIGNS,
				       .to = GPU_FORGE_NOW - 1 };
	char step[64];

	gpu_forge_make(GPU_FORGE_GH100, &f);
	gpu_forge_make(GPU_FORGE_GH100, &other);
	gpu_forge_device(&f, 1, &d);
	pki_make(&as_ca, &f.rim_l3, &ca);
	pki_make(&ends, &f.rim_l3, &late);
	const struct gpu_forge_rim plain = gpu_forge_rim_plain(&f, false);
	struct gpu_forge_rim r = plain;

	CHECK(with_rim(&f, &d, &r, step) == OK);
	r.conflict = true;
	CHECK(with_rim(&f, &d, &r, step) == E_CRYPTO);
	CHECK_STR_EQ(step, "gpu.measurements");
	r = plain;
	r.none_active = true;
	CHECK(with_rim(&f, &d, &r, step) == E_PARSE);
	r = plain;
	r.product = "GB100";
	CHECK(with_rim(&f, &d, &r, step) == E_CRYPTO);
	CHECK_STR_EQ(step, "gpu.driver_rim.version");
	r = plain;
	r.edition = "SWITCH";
	CHECK(with_rim(&f, &d, &r, step) == E_CRYPTO);
	r = plain;
	r.signer = &ca;
	CHECK(with_rim(&f, &d, &r, step) == E_CRYPTO);
	CHECK_STR_EQ(step, "gpu.driver_rim.chain");
	r.signer = &f.rim_l3; /* a CA's key, and its certificate twice */
	CHECK(with_rim(&f, &d, &r, step) == E_CRYPTO);
	r.signer = &d.leaf; /* a device's key signs no manifests */
	CHECK(with_rim(&f, &d, &r, step) == E_CRYPTO);
	CHECK_STR_EQ(step, "gpu.driver_rim.chain");
	r.signer = &other.rim_signer; /* signed by oneself */
	CHECK(with_rim(&f, &d, &r, step) == E_CRYPTO);
	CHECK_STR_EQ(step, "gpu.driver_rim.chain");
	r.signer = &late;
	CHECK(with_rim(&f, &d, &r, step) == E_STALE);
	CHECK_STR_EQ(step, "gpu.driver_rim.validity");
}

/* What a CPU's report makes a GPU sign. */
TEST(the_nonce_follows_from_the_cpus_report)
{
	uint8_t nonce[GPU_NONCE_LEN], want[32];

	gpu_verify_nonce(S("report"), nonce);
	sha256(S("confd-gpu-v1\0report"), want);
	CHECK(memcmp(nonce, want, sizeof(want)) == 0);
}

/* ---- Revocation ---- */

struct ocsp_case {
	struct gpu_forge f;
	struct gpu_forge_device d;
	struct buf report, der[4];
	struct slice slice[4];
	struct gpu_forge_report r;
};

static void ocsp_case_make(struct ocsp_case *o)
{
	gpu_forge_make(GPU_FORGE_GH100, &o->f);
	gpu_forge_device(&o->f, 1, &o->d);
	o->r = gpu_forge_plain(&o->d);
	o->report = buf_make(GPU_FORGE_MAX);
	gpu_forge_report(&o->d, &o->r, &o->report);
	for (size_t i = 0; i < countof(o->der); i++)
		o->der[i] = buf_make(GPU_FORGE_MAX);
}

static void ocsp_case_done(struct ocsp_case *o)
{
	gpu_forge_done(&o->f);
	gpu_forge_device_done(&o->d);
	buf_done(&o->report);
	for (size_t i = 0; i < countof(o->der); i++)
		buf_done(&o->der[i]);
}
#define auto_ocsp_case __attribute__((cleanup(ocsp_case_done)))

/* Verify with the first n responses. */
static enum status ocsp_verify_n(struct ocsp_case *o, size_t n,
				 struct gpu_claims *claims,
				 char step[static 64])
{
	struct gpu_case c =
		gpu_forge_case(&o->f, &o->d, &o->report, o->r.nonce);

	for (size_t i = 0; i < n; i++)
		o->slice[i] = buf_slice(&o->der[i]);
	c.ocsp = o->slice;
	c.n_ocsp = n;
	return verify(&c, claims, step);
}

TEST(responses_about_revocation_become_claims)
{
	auto_ocsp_case struct ocsp_case o;
	struct pki_ocsp p = pki_ocsp_good();
	struct gpu_claims claims;
	char step[64];

	ocsp_case_make(&o);
	const struct gpu_certificate *c = claims.certificate;
	CHECK(ocsp_verify_n(&o, 0, &claims, step) == OK);
	CHECK_EQ_U64(claims.n_certificates, 9);
	CHECK(c[0].revocation == GPU_REVOCATION_MISSING);
	CHECK_STR_EQ(c[0].what, "device");

	pki_ocsp(&p, &o.d.device, &o.f.provisioner, &o.der[0]);
	CHECK(ocsp_verify_n(&o, 1, &claims, step) == OK);
	CHECK(c[0].revocation == GPU_REVOCATION_GOOD);
	CHECK(c[0].until == p.next_update);
	CHECK(claims.valid_until == p.next_update);
	CHECK(c[1].revocation == GPU_REVOCATION_MISSING);

	/* The same signer is in both manifests. */
	pki_ocsp(&p, &o.f.rim_signer, &o.f.rim_l3, &o.der[1]);
	CHECK(ocsp_verify_n(&o, 2, &claims, step) == OK);
	CHECK(c[3].revocation == GPU_REVOCATION_GOOD);
	CHECK(c[6].revocation == GPU_REVOCATION_GOOD);

	/* The worse of two counts, and a revocation also when it is old. */
	p.status = OCSP_REVOKED;
	p.revoked_at = PKI_2020 + 5;
	p.next_update = p.this_update;
	pki_ocsp(&p, &o.d.device, &o.f.provisioner, &o.der[2]);
	CHECK(ocsp_verify_n(&o, 3, &claims, step) == OK);
	CHECK(c[0].revocation == GPU_REVOCATION_REVOKED);
	CHECK(c[0].revoked_at == PKI_2020 + 5);

	buf_clear(&o.der[0]);
	p.status = OCSP_GOOD;
	pki_ocsp(&p, &o.d.device, &o.f.provisioner, &o.der[0]);
	CHECK(ocsp_verify_n(&o, 1, &claims, step) == OK);
	CHECK(c[0].revocation == GPU_REVOCATION_STALE);

	buf_clear(&o.der[0]);
	p = pki_ocsp_good();
	p.status = OCSP_UNKNOWN;
	pki_ocsp(&p, &o.d.device, &o.f.provisioner, &o.der[0]);
	CHECK(ocsp_verify_n(&o, 1, &claims, step) == OK);
	CHECK(c[0].revocation == GPU_REVOCATION_UNKNOWN);
}

TEST(responses_that_are_not_the_issuers_are_refused)
{
	auto_ocsp_case struct ocsp_case o;
	struct pki_ocsp p = pki_ocsp_good();
	struct gpu_claims claims;
	char step[64];

	ocsp_case_make(&o);
	p.signer = &o.f.root;
	p.carry = true;
	pki_ocsp(&p, &o.d.device, &o.f.provisioner, &o.der[0]);
	CHECK(ocsp_verify_n(&o, 1, &claims, step) == E_CRYPTO);
	CHECK_STR_EQ(step, "gpu.ocsp");
	buf_clear(&o.der[0]);
	buf_put(&o.der[0], S("not a response"));
	CHECK(ocsp_verify_n(&o, 1, &claims, step) == E_CRYPTO);
	/* About another certificate of another issuer: none of our business,
	 * genuine or not. */
	buf_clear(&o.der[0]);
	pki_ocsp(&p, &o.d.leaf, &o.d.device, &o.der[0]);
	CHECK(ocsp_verify_n(&o, 1, &claims, step) == OK);
}

/* ---- The cache ---- */

TEST(a_cache_of_manifests_gives_the_same_verdicts)
{
	auto_ocsp_case struct ocsp_case o;
	auto_gpu_rim_cache struct gpu_rim_cache cache = { 0 };
	auto_buf struct buf other = buf_make(GPU_FORGE_MAX);
	struct gpu_claims claims;
	char step[64];

	ocsp_case_make(&o);
	struct gpu_case c = gpu_forge_case(&o.f, &o.d, &o.report, o.r.nonce);
	c.cache = &cache;
	for (int i = 0; i < 3; i++)
		CHECK(verify(&c, &claims, step) == OK);
	CHECK(cache.n == 2);
	c.n_rim_roots = 0; /* trust is not remembered */
	CHECK(verify(&c, &claims, step) == E_CRYPTO);
	c.n_rim_roots = 1;
	c.now = PKI_2040 + 1; /* nor time */
	CHECK(verify(&c, &claims, step) == E_STALE);
	c.now = GPU_FORGE_NOW;
	/* Many others do not drive the two in use out too early. */
	buf_put(&other, buf_slice(&o.f.driver_rim));
	for (int i = 0; i < GPU_RIM_CACHE + 3; i++) {
		buf_put_u8(&other, '\n');
		c.driver_rim = buf_slice(&other);
		CHECK(verify(&c, &claims, step) == OK);
	}
	CHECK(cache.n == GPU_RIM_CACHE);
}
