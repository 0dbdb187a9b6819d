/* What a full verification of hardware evidence costs, beside the bare checks
 * of the signatures in it (the same keys, which are read before, the same
 * messages), in CPU time of this thread, and its memory: "NAME VALUE UNIT" a
 * line.  Evidence: genuine cases in $CONFD_VECTORS. */
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "attest/tee/gpu_verify.h"
#include "attest/tee/snp_verify.h"
#include "attest/tee/tdx_verify.h"
#include "core/cleanup.h"
#include "core/file.h"
#include "core/text.h"
#include "test/bench/bench.h"

#define FILE_MAX (1u << 20)
#define SNP_CASE "snp/milan-v2-vcek-oak-071c9784"
#define SNP_NOW 1747224000 /* 2025-05-14T12:00:00Z */
#define TDX_CASE "tdx/v4-00806f05-openpcc-341e069a"
#define TDX_NOW 1760917730 /* 2025-10-19T23:48:50Z */
#define GPU_CASE "gpu/h100-drv545.00-full-match"
#define GPU_NOW 1717200000 /* 2024-06-01T00:00:00Z */
#define GPU_NONCE \
	"4cff7f5380ead8fad8ec2c531c110aca4302a88f603792801a8ca29ee151af2e"

static struct err err;

/* ---- signatures alone ---------------------------------------------------- */

/* A signature whose key is that of a certificate, or (by NULL) key. */
struct check {
	const struct x509 *by;
	struct slice key; /* DER SubjectPublicKeyInfo */
	struct x509_alg alg;
	struct slice message, signature;
};

#define CHECKS_MAX 24
struct checks {
	size_t n;
	struct check list[CHECKS_MAX];
};

/* The message is a copy, so that it outlives what was read. */
static void add(struct checks *c, struct check one)
{
	struct slice *kept[] = { &one.key, &one.message, &one.signature };

	for (size_t i = 0; i < countof(kept); i++) {
		uint8_t *copy = mem_must(kept[i]->len);

		if (kept[i]->len > 0)
			memcpy(copy, kept[i]->p, kept[i]->len);
		kept[i]->p = copy;
	}
	if (c->n == CHECKS_MAX)
		abort();
	c->list[c->n++] = one;
}

/* The signature of a certificate or revocation list (RFC 5280 s4.1, s5.1). */
static void add_signed(struct checks *c, struct slice der,
		       const struct x509 *by)
{
	struct der d = der_make(der);
	struct der in = der_enter(&d, DER_SEQUENCE);
	struct check one = { .by = by };

	one.message = der_whole(&in, DER_SEQUENCE);
	bench_must(x509_alg_parse(der_whole(&in, DER_SEQUENCE), &one.alg, &err),
		   &err);
	one.signature = der_bits(&in);
	if (in.bad)
		abort();
	add(c, one);
}

/* A signature r, s by the key of a certificate. */
static void add_raw(struct checks *c, const struct x509 *by, enum hash_alg hash,
		    struct slice message, struct slice r, struct slice s)
{
	auto_buf struct buf der = buf_make(256);
	struct check one = { .by = by, .message = message };

	der_put_ecdsa(&der, r, s);
	one.alg = (struct x509_alg){ .kind = X509_ALG_ECDSA, .hash = hash };
	one.signature = buf_slice(&der);
	add(c, one);
}

static void run_checks(const struct checks *c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < c->n; k++) {
			const struct check *one = &c->list[k];

			bench_must(one->by != NULL
					   ? x509_verify_bytes(
						     one->by, &one->alg,
						     one->message,
						     one->signature, &err)
					   : spki_verify(one->key, one->message,
							 one->signature, &err),
				   &err);
		}
}

/* ---- files --------------------------------------------------------------- */

static const char *vectors(void)
{
	const char *at = getenv("CONFD_VECTORS");

	return at == NULL ? "../shared/vectors" : at;
}

static struct buf read_vector(const char *folder, const char *name)
{
	struct buf out = buf_make(FILE_MAX);
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/%s/%s", vectors(), folder, name);
	bench_must(file_read(path, &out, &err), &err);
	return out;
}

/* What is not there is skipped, with a sentence. */
static bool is_there(const char *name, const char *folder)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/%s", vectors(), folder);
	if (access(path, R_OK) == 0)
		return true;
	printf("%s skipped: no genuine evidence in %s\n", name, path);
	return false;
}

static struct x509 *read_cert(const struct buf *in)
{
	struct x509 *c = NULL;

	bench_must(x509_parse(buf_slice(in), &c, &err), &err);
	return c;
}

/* ---- SEV-SNP ------------------------------------------------------------- */

static struct {
	struct buf report, vcek, chain;
	struct snp_certs *issuers;
	struct snp_case full, cached;
	struct checks all, own; /* own: what is of this chip alone */
} snp;

static void snp_add_report(const struct x509 *leaf)
{
	struct snp_report p;
	uint8_t r[48], s[48]; /* the report has them little-endian */

	bench_must(snp_report_parse(buf_slice(&snp.report), &p, &err), &err);
	for (size_t i = 0; i < sizeof(r); i++) {
		r[i] = p.sig_r[sizeof(r) - 1 - i];
		s[i] = p.sig_s[sizeof(s) - 1 - i];
	}
	add_raw(&snp.own, leaf, HASH_SHA384,
		slice_sub(buf_slice(&snp.report), 0, SNP_SIGNED_LEN),
		slice_of(r), slice_of(s));
}

static void snp_load(void)
{
	struct buf ark = read_vector(SNP_CASE, "ark.pem");
	struct x509 *root = read_cert(&ark), *leaf;

	snp.report = read_vector(SNP_CASE, "report.bin");
	snp.vcek = read_vector(SNP_CASE, "vcek.der");
	snp.chain = read_vector(SNP_CASE, "ask.pem");
	struct x509 *ask = read_cert(&snp.chain);
	buf_put(&snp.chain, buf_slice(&ark));
	snp.full = (struct snp_case){
		.report = buf_slice(&snp.report),
		.collateral = { .leaf = buf_slice(&snp.vcek),
				.chain = buf_slice(&snp.chain) },
		.now = SNP_NOW,
	};
	const struct snp_collateral above = { .chain = buf_slice(&snp.chain) };
	bench_must(snp_certs_new(&above, &snp.issuers, &err), &err);
	snp.cached = snp.full;
	snp.cached.issuers = snp.issuers;

	leaf = read_cert(&snp.vcek);
	add_signed(&snp.own, x509_der(leaf), ask);
	snp_add_report(leaf);
	snp.all = snp.own;
	add_signed(&snp.all, x509_der(ask), root);
	add_signed(&snp.all, x509_der(root), root);
	buf_done(&ark);
}

static void snp_verify_n(const struct snp_case *c, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		auto_trace struct trace t = { 0 };
		struct snp_claims claims;
		bench_must(snp_verify(c, &t, &claims, &err), &err);
	}
}

static void snp_full(size_t n)
{
	snp_verify_n(&snp.full, n);
}

static void snp_full_bare(size_t n)
{
	run_checks(&snp.all, n);
}

static void snp_cached(size_t n)
{
	snp_verify_n(&snp.cached, n);
}

static void snp_cached_bare(size_t n)
{
	run_checks(&snp.own, n);
}

/* ---- TDX ----------------------------------------------------------------- */

enum { QUOTE, TCB, TCB_CHAIN, QE, QE_CHAIN, ROOT_CRL, PCK_CRL, CHAIN, FILES };

static struct {
	struct buf file[FILES];
	struct tdx_collateral *collateral;
	struct tdx_case full, cached;
	struct checks all, own;
} tdx;

/* Signatures that are of the quote alone: certificate of the platform, quoting
 * enclave, quote. */
static void tdx_add_own(struct x509 **cert)
{
	static const uint8_t spki[] = {
		/* of a key on P-256, up to x */
		0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
		0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
		0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
	};
	auto_buf struct buf key = buf_make(sizeof(spki) + 64);
	auto_buf struct buf der = buf_make(256);
	struct tdx_quote q;

	bench_must(tdx_quote_parse(buf_slice(&tdx.file[QUOTE]), &q, &err),
		   &err);
	buf_put(&key, slice_of(spki));
	buf_put(&key, q.key);
	der_put_ecdsa(&der, slice_sub(q.signature, 0, 32),
		      slice_from(q.signature, 32));
	add_signed(&tdx.own, x509_der(cert[0]), cert[1]);
	add_raw(&tdx.own, cert[0], HASH_SHA256, q.qe_report,
		slice_sub(q.qe_signature, 0, 32),
		slice_from(q.qe_signature, 32));
	add(&tdx.own, (struct check){ .key = buf_slice(&key),
				      .message = q.signed_part,
				      .signature = buf_slice(&der) });
}

static void tdx_add_document(const struct tdx_signed *over,
			     const struct x509 *by)
{
	struct slice sig = slice_of(over->signature);

	add_raw(&tdx.all, by, HASH_SHA256, over->bytes, slice_sub(sig, 0, 32),
		slice_from(sig, 32));
}

/* And those of the collateral, each once. */
static void tdx_add_all(struct x509 **cert)
{
	struct tdx_collateral *c = tdx.collateral;
	struct tdx_tcb_info *tcb;
	struct tdx_qe_identity *qe;
	struct tdx_signed over;

	tdx.all = tdx.own;
	add_signed(&tdx.all, x509_der(cert[1]), cert[2]);
	add_signed(&tdx.all, x509_der(cert[2]), cert[2]);
	add_signed(&tdx.all, x509_der(c->tcb_signer.cert), c->tcb_signer.root);
	if (!slice_eq(x509_der(c->tcb_signer.cert),
		      x509_der(c->qe_signer.cert)))
		abort();
	add_signed(&tdx.all, x509_crl_der(c->root_crl), cert[2]);
	add_signed(&tdx.all, x509_crl_der(c->pck_crl), cert[1]);
	bench_must(tdx_tcb_info_parse(buf_slice(&tdx.file[TCB]), &tcb, &over,
				      &err),
		   &err);
	tdx_add_document(&over, c->tcb_signer.cert);
	tdx_tcb_info_free(tcb);
	bench_must(tdx_qe_identity_parse(buf_slice(&tdx.file[QE]), &qe, &over,
					 &err),
		   &err);
	tdx_add_document(&over, c->qe_signer.cert);
	tdx_qe_identity_free(qe);
}

static void tdx_load(void)
{
	static const char *const names[FILES] = {
		"quote.bin",
		"tcb_info.json",
		"tcb_info_issuer_chain.pem",
		"qe_identity.json",
		"qe_identity_issuer_chain.pem",
		"root_ca_crl.der",
		"pck_crl.der",
		"pck_chain.pem",
	};
	struct slice end = S("-----END CERTIFICATE-----\n");
	struct x509 *cert[3];
	size_t n;

	for (size_t i = 0; i < FILES; i++)
		tdx.file[i] = read_vector(TDX_CASE, names[i]);
	struct slice chain = buf_slice(&tdx.file[CHAIN]);
	tdx.full = (struct tdx_case){
		.quote = buf_slice(&tdx.file[QUOTE]),
		.input = {
			.tcb_info = buf_slice(&tdx.file[TCB]),
			.tcb_info_chain = buf_slice(&tdx.file[TCB_CHAIN]),
			.qe_identity = buf_slice(&tdx.file[QE]),
			.qe_identity_chain = buf_slice(&tdx.file[QE_CHAIN]),
			.root_ca_crl = buf_slice(&tdx.file[ROOT_CRL]),
			.pck_crl = buf_slice(&tdx.file[PCK_CRL]),
			.pck_crl_chain = slice_from(
				chain, slice_search(chain, end) + end.len),
		},
		.now = TDX_NOW,
	};
	tdx.collateral = tdx_collateral_new(&tdx.full.input);
	tdx.cached = tdx.full;
	tdx.cached.collateral = tdx.collateral;
	bench_must(x509_parse_chain(chain, cert, 3, &n, &err), &err);
	if (n != 3)
		abort();
	tdx_add_own(cert);
	tdx_add_all(cert);
}

static void tdx_verify_n(const struct tdx_case *c, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		auto_trace struct trace t = { 0 };
		struct tdx_claims claims;
		bench_must(tdx_verify(c, &t, &claims, &err), &err);
	}
}

static void tdx_full(size_t n)
{
	tdx_verify_n(&tdx.full, n);
}

static void tdx_full_bare(size_t n)
{
	run_checks(&tdx.all, n);
}

static void tdx_cached(size_t n)
{
	tdx_verify_n(&tdx.cached, n);
}

static void tdx_cached_bare(size_t n)
{
	run_checks(&tdx.own, n);
}

/* ---- NVIDIA devices ------------------------------------------------------ */

static struct {
	struct buf report, chain, rim[2];
	uint8_t nonce[GPU_NONCE_LEN];
	struct gpu_rim_cache cache;
	struct gpu_case full, cached;
	struct checks all, own;
} gpu;

static void gpu_add_chain(struct x509 **cert, size_t n, struct checks *to)
{
	for (size_t i = 0; i < n; i++)
		add_signed(to, x509_der(cert[i]), cert[i + 1 < n ? i + 1 : i]);
}

static void gpu_add_all(void)
{
	struct gpu_chain chain;
	struct gpu_report *r = mem_must(sizeof(*r));

	bench_must(gpu_report_parse(buf_slice(&gpu.report), r, &err), &err);
	bench_must(gpu_chain_parse(buf_slice(&gpu.chain), &chain, &err), &err);
	gpu_add_chain(chain.cert, chain.n, &gpu.own);
	add_raw(&gpu.own, chain.cert[0], HASH_SHA384, r->signed_part,
		slice_sub(r->signature, 0, 48), slice_from(r->signature, 48));
	gpu.all = gpu.own;
	for (size_t i = 0; i < countof(gpu.rim); i++) {
		struct gpu_rim *rim;

		bench_must(gpu_rim_parse(buf_slice(&gpu.rim[i]), &rim, &err),
			   &err);
		gpu_add_chain(rim->cert, GPU_RIM_CERTS, &gpu.all);
		add(&gpu.all,
		    (struct check){ .by = rim->cert[0],
				    .alg = { .kind = X509_ALG_ECDSA,
					     .hash = HASH_SHA384 },
				    .message = buf_slice(&rim->signed_info),
				    .signature = buf_slice(&rim->signed_by) });
	}
	mem_free(r);
}

static void gpu_load(void)
{
	gpu.report = read_vector(GPU_CASE, "report.bin");
	gpu.chain = read_vector(GPU_CASE, "gpu_cert_chain.pem");
	gpu.rim[0] = read_vector(GPU_CASE, "driver_rim.xml");
	gpu.rim[1] = read_vector(GPU_CASE, "vbios_rim.xml");
	bench_must(text_unhex(S(GPU_NONCE), gpu.nonce, sizeof(gpu.nonce),
			      "nonce", &err),
		   &err);
	gpu.full = (struct gpu_case){
		.report = buf_slice(&gpu.report),
		.chain = buf_slice(&gpu.chain),
		.driver_rim = buf_slice(&gpu.rim[0]),
		.vbios_rim = buf_slice(&gpu.rim[1]),
		.nonce = gpu.nonce,
		.now = GPU_NOW,
	};
	gpu.cached = gpu.full;
	gpu.cached.cache = &gpu.cache;
	gpu_add_all();
}

static void gpu_verify_n(const struct gpu_case *c, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		auto_trace struct trace t = { 0 };
		struct gpu_claims claims;
		bench_must(gpu_verify(c, &t, &claims, &err), &err);
	}
}

static void gpu_full(size_t n)
{
	gpu_verify_n(&gpu.full, n);
}

static void gpu_full_bare(size_t n)
{
	run_checks(&gpu.all, n);
}

static void gpu_cached(size_t n)
{
	gpu_verify_n(&gpu.cached, n);
}

static void gpu_cached_bare(size_t n)
{
	run_checks(&gpu.own, n);
}

/* ---- measuring ----------------------------------------------------------- */

/* clang-format off */
static const struct group {
	const char *name, *folder;
	void (*load)(void);
	struct row {
		const char *name;
		void (*full)(size_t n), (*bare)(size_t n);
	} row[2];
} groups[] = {
	{ "snp", SNP_CASE, snp_load,
	  { { "snp_verify", snp_full, snp_full_bare },
	    { "snp_verify_cached", snp_cached, snp_cached_bare } } },
	{ "tdx", TDX_CASE, tdx_load,
	  { { "tdx_verify", tdx_full, tdx_full_bare },
	    { "tdx_verify_cached", tdx_cached, tdx_cached_bare } } },
	{ "gpu", GPU_CASE, gpu_load,
	  { { "gpu_verify", gpu_full, gpu_full_bare },
	    { "gpu_verify_cached", gpu_cached, gpu_cached_bare } } },
};
/* clang-format on */

/* KiB of this line of /proc/self/status. */
static unsigned long status_kib(const char *line)
{
	auto_buf struct buf text = buf_make(1u << 16);

	bench_must(file_read("/proc/self/status", &text, &err), &err);
	buf_put_u8(&text, 0);
	const char *at = strstr((const char *)buf_slice(&text).p, line);
	return at == NULL ? 0 : strtoul(at + strlen(line), NULL, 10);
}

/* The most that one verification adds to the memory of a process that has
 * done none: in a child, whose peak is forgotten first. */
static void print_memory(const struct row *row)
{
	int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);

	/* Nothing given back by what was before may hide what is taken. */
	(void)malloc_trim(0);
	if (fd < 0 || write(fd, "5", 1) != 1)
		_exit(1);
	unsigned long before = status_kib("VmRSS:");
	row->full(1);
	printf("%s_memory %lu KiB\n", row->name, status_kib("VmHWM:") - before);
	(void)fflush(stdout);
	_exit(0);
}

#define TURNS 41

static int by_size(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double middle(double *v)
{
	qsort(v, TURNS, sizeof(*v), by_size);
	return v[TURNS / 2];
}

static double cost(void (*run)(size_t n))
{
	uint64_t from = bench_clock(CLOCK_THREAD_CPUTIME_ID);

	run(1);
	return (double)(bench_clock(CLOCK_THREAD_CPUTIME_ID) - from);
}

/* One by turns, so that what disturbs one disturbs the other: the median of
 * each, and of their ratios. */
static void measure(const struct row *row)
{
	double full[TURNS], bare[TURNS], of[TURNS];

	(void)fflush(stdout);
	pid_t child = fork();
	if (child == 0)
		print_memory(row);
	if (child < 0 || waitpid(child, NULL, 0) < 0)
		bench_die("fork");
	row->full(1);
	row->bare(1);
	for (size_t i = 0; i < TURNS; i++) {
		full[i] = cost(row->full);
		bare[i] = cost(row->bare);
		of[i] = full[i] / bare[i];
	}
	double ns[] = { middle(full), middle(bare) };
	printf("%s %.0f /s %.0f ns\n", row->name, 1e9 / ns[0], ns[0]);
	printf("%s_bare %.0f /s %.0f ns\n", row->name, 1e9 / ns[1], ns[1]);
	printf("%s_of_bare %.3f x\n", row->name, middle(of));
	(void)fflush(stdout);
}

int main(void)
{
	bench_must(crypto_setup(&err), &err);
	for (size_t i = 0; i < countof(groups); i++) {
		if (!is_there(groups[i].name, groups[i].folder))
			continue;
		groups[i].load();
		for (size_t k = 0; k < countof(groups[i].row); k++)
			measure(&groups[i].row[k]);
	}
	return 0;
}
