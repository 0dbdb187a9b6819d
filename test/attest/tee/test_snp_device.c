#include "attest/tee/snp_device.h"

#include <errno.h>
#include <stdio.h>

#include "attest/tee/snp_certs_table.h"
#include "core/cleanup.h"
#include "core/text.h"
#include "sandbox/confine.h"
#include "test/attest/tee/snp_forge.h"
#include "test/attest/tee/tsm_fake.h"
#include "test/attest/vectors/snp_vectors.h"
#include "test/test.h"

static const uint8_t data[64] = { 0xda, [63] = 0xad };

/* ---- A device that is none ---- */

#define GET_REPORT 0xc0205300ul
#define GET_KEY 0xc0205301ul
#define GET_EXT_REPORT 0xc0205302ul

/* linux/sev-guest.h */
struct request {
	uint8_t version;
	uint64_t req, resp;
	uint32_t fw_error, vmm_error;
};

static struct {
	uint8_t report[SNP_REPORT_LEN]; /* report data is put in */
	struct slice table;
	uint32_t room;	       /* what the host wants for it */
	bool no_extended;      /* the kernel knows no such request */
	uint32_t status, len;  /* of the firmware's answers */
	unsigned int busy;     /* times */
	unsigned int vmm_busy; /* times */
	bool fail;
	uint8_t key[32];

	unsigned int calls[3]; /* by request */
	uint8_t last[64];      /* request for a key */
	uint32_t vmpl;	       /* of a request for a report */
} host;

static void put_u32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v));
}

static uint32_t get_u32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint8_t *at(uint64_t address)
{
	return (uint8_t *)(uintptr_t)address;
}

static int give_report(const struct request *r)
{
	const uint8_t *q = at(r->req);
	uint8_t *resp = at(r->resp);

	host.vmpl = get_u32(q + 64);
	put_u32(resp, host.status);
	put_u32(resp + 4, host.len);
	memcpy(resp + 32, host.report, sizeof(host.report));
	memcpy(resp + 32 + 0x50, q, 64);
	return 0;
}

static int give_table(struct request *r)
{
	uint8_t *q = at(r->req);
	uint64_t certs;

	if (host.no_extended || get_u32(q + 104) % 4096 != 0) {
		errno = ENOTTY;
		return -1;
	}
	if (get_u32(q + 104) < host.room) {
		put_u32(q + 104, host.room);
		r->vmm_error = 1;
		errno = EIO;
		return -1;
	}
	memcpy(&certs, q + 96, sizeof(certs));
	memcpy(at(certs), host.table.p, host.table.len);
	return give_report(r);
}

static int give_key(const struct request *r)
{
	memcpy(host.last, at(r->req), 32);
	put_u32(at(r->resp), host.status);
	memcpy(at(r->resp) + 32, host.key, 32);
	return 0;
}

static int control(int fd, unsigned long request, void *arg)
{
	struct request *r = arg;

	if (!EXPECT(fd >= 0 && r->version == 1 && r->vmm_error == 0) ||
	    !EXPECT(request >= GET_REPORT && request <= GET_EXT_REPORT))
		return -1;
	host.calls[request - GET_REPORT]++;
	errno = host.fail ? EIO : EBUSY;
	if (host.fail)
		return -1;
	if (host.busy > 0 && host.busy-- > 0)
		return -1;
	errno = EIO;
	if (host.vmm_busy > 0 && host.vmm_busy-- > 0) {
		r->vmm_error = 2;
		return -1;
	}
	if (request == GET_KEY)
		return give_key(r);
	return request == GET_REPORT ? give_report(r) : give_table(r);
}

/* Without configfs-tsm. */
static const struct snp_device_settings by_device = {
	.tsm_root = "/nonexistent", .path = "/dev/null", .control = control
};

/* What both ways give, until the next make. */
static struct snp_forged forged;

static void make(enum snp_key key)
{
	struct snp_forge f;

	snp_forge_init(&f, SNP_GENOA, key, 3);
	f.crl = true;
	memcpy(f.report.report_data, data, sizeof(data));
	snp_forged_done(&forged);
	snp_forge_make(&f, &forged);
	memset(&host, 0, sizeof(host));
	memcpy(host.report, forged.report, sizeof(host.report));
	host.table = buf_slice(&forged.table);
	host.len = SNP_REPORT_LEN;
	for (size_t i = 0; i < 32; i++)
		host.key[i] = (uint8_t)(i + 1);
}

static struct tsm_fake_options fake_options(void)
{
	return (struct tsm_fake_options){ .provider = "sev_guest",
					  .levels = true,
					  .floor = "0",
					  .out = slice_of(forged.report),
					  .data_at = 0x50,
					  .aux = buf_slice(&forged.table) };
}

/* Open, issue, close. */
static enum status issue(const struct snp_device_settings *s,
			 struct evidence *e, struct err *err)
{
	auto_snp_device struct snp_device *d = NULL;

	TRY(snp_device_open(s, &d, err));
	return snp_device_issue(d, data, e, err);
}

static enum status issue_by_tsm(const struct tsm_fake_options *o,
				struct evidence *e, struct err *err)
{
	auto_tsm_fake struct tsm_fake *f = tsm_fake_start(o);
	const struct snp_device_settings s = {
		.tsm_root = f == NULL ? NULL : tsm_fake_root(f),
		.path = "/nonexistent"
	};

	if (f == NULL)
		return E_AGAIN; /* then skip */
	enum status status = issue(&s, e, err);
	EXPECT(tsm_fake_counts(f)->made == tsm_fake_counts(f)->removed);
	return status;
}

/* Does a verifier take what was issued, with nothing from elsewhere? */
static enum status verify(const struct evidence *e, const uint8_t (*roots)[32],
			  int64_t now, struct snp_claims *claims)
{
	const struct snp_case c = {
		.report = buf_slice(&e->report),
		.collateral = { .leaf = evidence_text(&e->collateral, "leaf"),
				.chain = evidence_text(&e->collateral, "chain"),
				.crl = evidence_text(&e->collateral, "crl") },
		.roots = roots,
		.n_roots = roots != NULL,
		.now = now,
	};
	auto_trace struct trace t;
	struct err err;

	trace_init(&t);
	return snp_verify(&c, &t, claims, &err);
}

static bool is_empty(const struct evidence *e)
{
	return e->report.len == 0 && e->collateral.n == 0 && e->n_gpus == 0;
}

/* ---- configfs-tsm ---- */

TEST(issues_through_tsm_what_a_verifier_takes)
{
	static const enum snp_key keys[] = { SNP_KEY_VCEK, SNP_KEY_VLEK };

	for (size_t i = 0; i < countof(keys); i++) {
		auto_evidence struct evidence e;
		struct snp_claims claims;
		struct err err;

		evidence_init(&e);
		make(keys[i]);
		const struct tsm_fake_options o = fake_options();
		enum status status = issue_by_tsm(&o, &e, &err);
		if (status == E_AGAIN)
			SKIP(TSM_FAKE_SKIP);
		CHECK(status == OK);
		CHECK_EQ_U64(e.collateral.n, 3);
		CHECK(slice_eq(evidence_text(&e.collateral, "chain"),
			       buf_slice(&forged.chain)));
		CHECK(verify(&e, forged.root, SNP_FORGE_NOW, &claims) == OK);
		CHECK(memcmp(claims.report.report_data, data, 64) == 0);
	}
}

TEST(issues_without_certificates_where_the_host_gives_none)
{
	static const uint8_t empty[4096];
	const struct slice tables[] = { { 0 }, slice_of(empty) };

	for (size_t i = 0; i < countof(tables) + 1; i++) {
		auto_evidence struct evidence e;
		struct err err;

		evidence_init(&e);
		make(SNP_KEY_VCEK);
		struct tsm_fake_options o = fake_options();
		o.no_aux = i == countof(tables);
		o.aux = tables[i % countof(tables)];
		enum status status = issue_by_tsm(&o, &e, &err);
		if (status == E_AGAIN)
			SKIP(TSM_FAKE_SKIP);
		CHECK(status == OK);
		CHECK_EQ_U64(e.collateral.n, 0);
		CHECK_EQ_U64(e.report.len, SNP_REPORT_LEN);
	}
}

TEST(refuses_what_is_no_report_of_our_data)
{
	auto_evidence struct evidence e;
	struct err err;

	evidence_init(&e);
	make(SNP_KEY_VCEK);
	struct tsm_fake_options o = fake_options();
	forged.report[0x50] ^= 1;
	o.data_fixed = true;
	enum status status = issue_by_tsm(&o, &e, &err);
	if (status == E_AGAIN)
		SKIP(TSM_FAKE_SKIP);
	CHECK(status == E_CONFLICT && is_empty(&e));

	o = fake_options();
	o.out = slice_make(forged.report, SNP_REPORT_LEN - 1);
	CHECK(issue_by_tsm(&o, &e, &err) == E_PARSE && is_empty(&e));
	uint8_t longer[SNP_REPORT_LEN + 1] = { 0 };
	o.out = slice_of(longer);
	CHECK(issue_by_tsm(&o, &e, &err) == E_LIMIT && is_empty(&e));
	o.out = (struct slice){ 0 };
	CHECK(issue_by_tsm(&o, &e, &err) == E_PARSE && is_empty(&e));
}

TEST(refuses_a_malformed_table_of_the_host)
{
	auto_evidence struct evidence e;
	struct err err;

	evidence_init(&e);
	make(SNP_KEY_VCEK);
	uint8_t *bytes = mem_must(forged.table.len);
	memcpy(bytes, buf_slice(&forged.table).p, forged.table.len);
	struct tsm_fake_options o = fake_options();
	o.aux = slice_make(bytes, forged.table.len);
	put_u32(bytes + 20, 0xffffffff); /* a length */
	enum status status = issue_by_tsm(&o, &e, &err);
	if (status != E_AGAIN) {
		EXPECT(status == E_PARSE && is_empty(&e));
		EXPECT(strstr(err.text, "from the host") != NULL);

		/* A whole table with a certificate that is none. */
		memcpy(bytes, buf_slice(&forged.table).p, forged.table.len);
		bytes[get_u32(bytes + 16)] ^= 0x55;
		EXPECT(issue_by_tsm(&o, &e, &err) == E_PARSE && is_empty(&e));
		EXPECT(strstr(err.text, "VCEK") != NULL);
	}
	mem_free(bytes);
	if (status == E_AGAIN)
		SKIP(TSM_FAKE_SKIP);
}

/* One that came with its certificate table, as its machine gave both. */
static size_t n_issued;
static void issue_vector(struct snp_vector *v)
{
	auto_evidence struct evidence e;
	struct snp_claims claims;
	struct err err;
	struct tsm_fake_options o = { .provider = "sev_guest",
				      .levels = true,
				      .floor = "0",
				      .out = buf_slice(&v->report),
				      .data_fixed = true,
				      .aux = buf_slice(&v->table) };

	evidence_init(&e);
	if (v->table.len == 0 || v->report.len != SNP_REPORT_LEN)
		return;
	auto_tsm_fake struct tsm_fake *f = tsm_fake_start(&o);
	if (f == NULL)
		return;
	const struct snp_device_settings s = { .tsm_root = tsm_fake_root(f),
					       .path = "/nonexistent" };
	auto_snp_device struct snp_device *d = NULL;
	if (!EXPECT(snp_device_open(&s, &d, &err) == OK))
		return;
	const uint8_t *report = buf_slice(&v->report).p;
	if (!EXPECT(snp_device_issue(d, report + 0x50, &e, &err) == OK)) {
		printf("%s: %s\n", v->name, err.text);
		return;
	}
	n_issued++;
	EXPECT(slice_eq(buf_slice(&e.report), buf_slice(&v->report)));
	/* Its ASK and ARK, where the table has none. */
	auto_buf struct buf chain = buf_make(SNP_VECTOR_FILE_MAX);
	auto_trace struct trace trace;
	trace_init(&trace);
	if (evidence_text(&e.collateral, "chain").len == 0) {
		buf_put(&chain, buf_slice(&v->ask));
		buf_put(&chain, buf_slice(&v->ark));
		EXPECT(evidence_add_text(&e.collateral, S("chain"),
					 buf_slice(&chain), &err) == OK);
	}
	enum status by_case =
		snp_vectors_verify(v, SNP_BY_TABLE, NULL, &trace, &claims);
	EXPECT(verify(&e, NULL, v->now, &claims) == by_case);
}

TEST(gives_of_genuine_tables_what_verifies_alike)
{
	if (snp_vectors_folder() == NULL)
		SKIP("no vectors");
	n_issued = 0;
	CHECK(snp_vectors_each("snp", issue_vector) > 0);
	if (n_issued == 0)
		SKIP(TSM_FAKE_SKIP);
}

/* ---- /dev/sev-guest ---- */

TEST(issues_through_the_device_what_a_verifier_takes)
{
	auto_evidence struct evidence e;
	struct snp_claims claims;
	struct err err;

	evidence_init(&e);
	make(SNP_KEY_VCEK);
	host.busy = 2;
	host.vmm_busy = 1;
	CHECK(issue(&by_device, &e, &err) == OK);
	CHECK_EQ_U64(host.calls[2], 4);
	CHECK_EQ_U64(host.calls[0], 0);
	CHECK_EQ_U64(host.vmpl, 0);
	CHECK(verify(&e, forged.root, SNP_FORGE_NOW, &claims) == OK);
}

TEST(gives_the_host_the_room_that_it_wants)
{
	static const struct {
		uint32_t room;
		unsigned int extended, plain;
		size_t texts;
	} rows[] = {
		{ 0x4000, 1, 0, 3 },   { 0x5000, 2, 0, 3 },
		{ 1u << 20, 2, 0, 3 }, { (1u << 20) + 1, 1, 1, 0 },
		{ ~0u, 1, 1, 0 },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		auto_evidence struct evidence e;
		struct err err;

		evidence_init(&e);
		make(SNP_KEY_VCEK);
		host.room = rows[i].room;
		CHECK(issue(&by_device, &e, &err) == OK);
		CHECK_EQ_U64(host.calls[2], rows[i].extended);
		CHECK_EQ_U64(host.calls[0], rows[i].plain);
		CHECK_EQ_U64(e.collateral.n, rows[i].texts);
	}
}

TEST(asks_for_a_plain_report_where_there_is_no_other)
{
	auto_evidence struct evidence e;
	struct err err;

	evidence_init(&e);
	make(SNP_KEY_VCEK);
	host.no_extended = true;
	CHECK(issue(&by_device, &e, &err) == OK);
	CHECK_EQ_U64(host.calls[0], 1);
	CHECK_EQ_U64(e.collateral.n, 0);
	CHECK_EQ_U64(e.report.len, SNP_REPORT_LEN);
}

TEST(says_what_the_firmware_says)
{
	auto_evidence struct evidence e;
	struct err err;

	evidence_init(&e);
	make(SNP_KEY_VCEK);
	host.status = 0x16;
	CHECK(issue(&by_device, &e, &err) == E_IO && is_empty(&e));
	CHECK(strstr(err.text, "0x16") != NULL);
	host.status = 0;
	for (uint32_t len = SNP_REPORT_LEN - 1; len <= SNP_REPORT_LEN + 1;
	     len += 2) {
		host.len = len;
		CHECK(issue(&by_device, &e, &err) == E_PARSE && is_empty(&e));
	}
	host.len = SNP_REPORT_LEN;
	host.fail = true;
	CHECK(issue(&by_device, &e, &err) == E_IO && is_empty(&e));
	host.fail = false;
	host.busy = 1000;
	CHECK(issue(&by_device, &e, &err) == E_UNAVAIL && is_empty(&e));
	CHECK(host.busy > 900);
}

/* ---- Sealing ---- */

static enum status seal(const struct snp_device_settings *s, uint8_t out[32],
			struct err *err)
{
	auto_snp_device struct snp_device *d = NULL;

	TRY(snp_device_open(s, &d, err));
	return snp_device_seal_key(d, out, err);
}

TEST(seals_to_measurement_and_policy)
{
	/* MSG_KEY_REQ: root 0, fields policy and measurement. */
	static const uint8_t request[32] = { [8] = 0x09 };
	uint8_t key[3][32];
	struct err err;

	make(SNP_KEY_VCEK);
	CHECK(seal(&by_device, key[0], &err) == OK);
	CHECK(memcmp(host.last, request, sizeof(request)) == 0);
	CHECK(seal(&by_device, key[1], &err) == OK);
	CHECK(memcmp(key[0], key[1], 32) == 0);
	CHECK(memcmp(key[0], host.key, 32) != 0);
	host.key[31] ^= 1;
	CHECK(seal(&by_device, key[2], &err) == OK);
	CHECK(memcmp(key[0], key[2], 32) != 0);
}

TEST(asks_both_ways_for_the_same_level)
{
	uint8_t key[32];
	struct err err;

	make(SNP_KEY_VCEK);
	struct tsm_fake_options o = fake_options();
	o.floor = "2";
	auto_tsm_fake struct tsm_fake *f = tsm_fake_start(&o);
	if (f == NULL)
		SKIP(TSM_FAKE_SKIP);
	struct snp_device_settings s = by_device;
	s.tsm_root = tsm_fake_root(f);
	CHECK(seal(&s, key, &err) == OK);
	CHECK_EQ_U64(get_u32(host.last + 16), 2);
	auto_evidence struct evidence e;
	evidence_init(&e);
	CHECK(issue(&s, &e, &err) == OK);
	CHECK_STR_EQ(tsm_fake_counts(f)->level, "2");
	CHECK_EQ_U64(host.calls[0] + host.calls[2], 0); /* tsm goes first */
}

TEST(refuses_a_sealing_key_that_is_none)
{
	uint8_t key[32], before[32];
	struct err err;

	make(SNP_KEY_VCEK);
	memset(key, 0x77, sizeof(key));
	memcpy(before, key, sizeof(key));
	host.status = 0x16;
	CHECK(seal(&by_device, key, &err) == E_IO);
	host.status = 0;
	memset(host.key, 0, sizeof(host.key));
	CHECK(seal(&by_device, key, &err) == E_CRYPTO);
	host.fail = true;
	CHECK(seal(&by_device, key, &err) == E_IO);
	CHECK(memcmp(key, before, sizeof(key)) == 0);
}

TEST(has_no_sealing_key_without_the_device)
{
	uint8_t key[32];
	struct err err;

	make(SNP_KEY_VCEK);
	const struct tsm_fake_options o = fake_options();
	auto_tsm_fake struct tsm_fake *f = tsm_fake_start(&o);
	if (f == NULL)
		SKIP(TSM_FAKE_SKIP);
	struct snp_device_settings s = { .tsm_root = tsm_fake_root(f),
					 .path = "/nonexistent" };
	CHECK(seal(&s, key, &err) == E_NOTFOUND);
}

/* ---- Confined ---- */

/* What the AS's keeper does: open, be confined, issue.  Exits with 0 when the
 * report came, with 1 when not. */
struct confined {
	const char *root;
	bool allowed; /* the folder is left writable */
};

static void issue_confined(void *arg)
{
	const struct confined *c = arg;
	const struct snp_device_settings s = { .tsm_root = c->root,
					       .path = "/nonexistent" };
	struct snp_device *d = NULL;
	struct evidence e;
	struct err err;

	evidence_init(&e);
	if (snp_device_open(&s, &d, &err) != OK)
		_exit(2);
	const struct landlock_path path = { .path = snp_device_folder(d),
					    .write = true };
	if (confine(PROFILE_AS_KEEPER, &path, c->allowed ? 1 : 0, &err) != OK)
		_exit(2);
	enum status status = snp_device_issue(d, data, &e, &err);
	_exit(c->allowed ? status != OK : status != E_PERM);
}

TEST(issues_in_the_confinement_of_the_keeper)
{
	make(SNP_KEY_VCEK);
	const struct tsm_fake_options o = fake_options();
	auto_tsm_fake struct tsm_fake *f = tsm_fake_start(&o);
	if (f == NULL)
		SKIP(TSM_FAKE_SKIP);
	struct confined c = { .root = tsm_fake_root(f), .allowed = true };
	CHECK(test_signal_of(issue_confined, &c) == 0);
	CHECK(tsm_fake_counts(f)->made == tsm_fake_counts(f)->removed);
	CHECK_EQ_U64(tsm_fake_counts(f)->reports, 1);
	/* One that measures coverage is not confined in its paths. */
	if (landlock_version() == 0 ||
	    (!confine_has_filter() && !test_is_sanitized()))
		SKIP("no Landlock here");
	c.allowed = false;
	CHECK(test_signal_of(issue_confined, &c) == 0);
	CHECK_EQ_U64(tsm_fake_counts(f)->reports, 1);
}

/* ---- Finding it ---- */

TEST(detects_the_device_or_the_provider)
{
	static const struct snp_device_settings none = {
		.tsm_root = "/nonexistent", .path = "/nonexistent/sev"
	};
	struct snp_device_settings s = none;
	auto_snp_device struct snp_device *d = NULL;
	struct err err;

	CHECK(snp_device_detect(&none, &err) == E_NOTFOUND);
	CHECK(snp_device_open(&none, &d, &err) == E_NOTFOUND && d == NULL);
	CHECK(strstr(err.text, "/nonexistent/sev") != NULL);
	CHECK(snp_device_detect(&by_device, &err) == OK);
	CHECK(snp_device_open(&by_device, &d, &err) == OK);
	CHECK(snp_device_folder(d) == NULL);

	struct tsm_fake_options o = { .provider = "sev_guest" };
	auto_tsm_fake struct tsm_fake *f = tsm_fake_start(&o);
	o.provider = "tdx_guest";
	auto_tsm_fake struct tsm_fake *other = tsm_fake_start(&o);
	if (f == NULL || other == NULL)
		SKIP(TSM_FAKE_SKIP);
	auto_snp_device struct snp_device *by_tsm = NULL;
	s.tsm_root = tsm_fake_root(other);
	CHECK(snp_device_detect(&s, &err) == E_NOTFOUND);
	CHECK(snp_device_open(&s, &by_tsm, &err) == E_NOTFOUND);
	s.tsm_root = tsm_fake_root(f);
	CHECK(snp_device_detect(&s, &err) == OK);
	CHECK(snp_device_open(&s, &by_tsm, &err) == OK);
	CHECK_STR_EQ(snp_device_folder(by_tsm), tsm_fake_root(f));
}
