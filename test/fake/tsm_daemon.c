/* A confidential VM that is none: a folder that behaves as Linux's
 * configfs-tsm, and signs reports under keys of its own; and an NVIDIA GPU.
 *
 *	tsm_daemon snp|tdx DIR [table] [gpu] [slow]
 *
 * serves until it is ended.  In DIR, which has to be there, it puts
 *
 *	tsm		what --tsm-root has to be, in one line; comes last
 *	roots.pem	the roots that a verifier has to be told
 *	policy.json	a manifest's policy that accepts the machine
 *	collateral/	what its evidence needs beside the reports
 *	helper		a program that has the GPU sign
 *
 * With "table" the host hands certificates over, as SNP hosts may; with "slow"
 * each report takes a fifth of a second.
 *
 *	tsm_daemon helper DIR --nonce HEX
 *
 * is the GPU's helper. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "core/cleanup.h"
#include "core/clock.h"
#include "core/crypto.h"
#include "core/file.h"
#include "core/json.h"
#include "core/pem.h"
#include "core/text.h"
#include "test/attest/hw_world.h"
#include "test/attest/tee/tsm_fake.h"
#include "test/test.h"

#define DAY 86400
#define TEXT_MAX (256u << 10)

static const char *folder;
static bool is_slow;

static void take_time(void)
{
	const struct timespec t = { .tv_nsec = 200 * 1000 * 1000 };

	if (is_slow)
		(void)nanosleep(&t, NULL);
}

/* ---- What the forges want of a test program ---- */

bool test_true(const char *file, int line, const char *expr, bool held)
{
	if (held)
		return true;
	(void)fprintf(stderr, "%s:%d: %s\n", file, line, expr);
	abort();
}

bool test_str_eq(const char *file, int line, const char *expr, const char *a,
		 const char *b)
{
	return test_true(file, line, expr, strcmp(a, b) == 0);
}

static void must(enum status status, const struct err *err)
{
	if (status == OK)
		return;
	(void)fprintf(stderr, "tsm_daemon: %s\n", err->text);
	exit(1);
}

/* ---- Files ---- */

static const char *path_of(const char *name)
{
	static char path[4096];

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void put(const char *name, mode_t mode, struct slice content)
{
	struct err err;

	must(file_write(path_of(name), content, mode, &err), &err);
}

static void put_text(const char *name, const struct buf *content)
{
	put(name, 0644, buf_slice(content));
}

static void make_folder(const char *name)
{
	struct err err;

	must(file_make_dir(path_of(name), 0755, &err), &err);
}

static void get(const char *name, struct buf *out)
{
	struct err err;

	*out = buf_make(TEXT_MAX);
	must(file_read(path_of(name), out, &err), &err);
}

/* ---- The CPU ---- */

static size_t sign_snp(void *ctx, const uint8_t data[64], uint8_t *out,
		       size_t max)
{
	struct hw_world *w = ctx;

	(void)max;
	take_time();
	memcpy(w->snp.report.report_data, data, 64);
	snp_forge_report(&w->snp, out);
	return SNP_REPORT_LEN;
}

static size_t sign_tdx(void *ctx, const uint8_t data[64], uint8_t *out,
		       size_t max)
{
	struct hw_world *w = ctx;

	take_time();
	memcpy(w->tdx.o.td.report_data, data, 64);
	tdx_forge_make(&w->tdx);
	struct slice quote = buf_slice(&w->tdx.quote);
	EXPECT(quote.len <= max);
	memcpy(out, quote.p, quote.len);
	return quote.len;
}

static void make_snp(struct hw_world *w)
{
	int64_t now = clock_wall();

	hw_snp(w, SNP_GENOA, SNP_KEY_VCEK, 3);
	w->snp.not_before = w->snp.this_update = now - DAY;
	w->snp.not_after = w->snp.next_update = now + DAY;
	hw_attest(w);
	put_text("collateral/vcek.der", &w->snp_made.leaf);
	put_text("collateral/cert_chain.pem", &w->snp_made.chain);
	put_text("collateral/crl.der", &w->snp_made.crl);
}

static void make_tdx(struct hw_world *w)
{
	const struct tdx_forge *f = &w->tdx;

	hw_tdx_at(w, clock_wall());
	put_text("collateral/tcb_info.json", &f->tcb_info);
	put_text("collateral/tcb_info_issuer_chain.pem", &f->tcb_info_chain);
	put_text("collateral/qe_identity.json", &f->qe_identity);
	put_text("collateral/qe_identity_issuer_chain.pem", &f->tcb_info_chain);
	put_text("collateral/root_ca_crl.der", &f->root_crl);
	put_text("collateral/pck_crl.der", &f->pck_crl);
	put_text("collateral/pck_crl_issuer_chain.pem", &f->pck_crl_chain);
}

/* ---- The GPU ---- */

static void put_responses(const struct gpu_forge *f,
			  const struct gpu_forge_device *d)
{
	const struct {
		const struct pki_cert *cert, *issuer;
	} pairs[] = {
		{ &d->device, &f->provisioner },
		{ &f->provisioner, &f->identity },
		{ &f->identity, &f->root },
		{ &f->rim_signer, &f->rim_l3 },
		{ &f->rim_l3, &f->rim_ca },
		{ &f->rim_ca, &f->rim_root },
	};
	struct pki_ocsp good = pki_ocsp_good();

	good.produced = good.this_update = clock_wall() - DAY;
	good.next_update = clock_wall() + DAY;
	make_folder("collateral/ocsp");
	for (size_t i = 0; i < countof(pairs); i++) {
		auto_buf struct buf der = buf_make(TEXT_MAX);
		char name[64];

		(void)snprintf(name, sizeof(name), "collateral/ocsp/%zu.der",
			       i);
		pki_ocsp(&good, pairs[i].cert, pairs[i].issuer, &der);
		put_text(name, &der);
	}
}

/* All that the helper needs, in files: it is another process each time. */
static void put_device(const struct gpu_forge_device *d, const char *self)
{
	auto_buf struct buf key = buf_make(TEXT_MAX), id = buf_make(TEXT_MAX);
	auto_buf struct buf script = buf_make(TEXT_MAX);
	struct err err;

	must(keypair_pem(d->leaf.key, &key, &err), &err);
	put("gpu.key", 0600, buf_slice(&key));
	put_text("gpu.chain", &d->chain);
	buf_put(&id, slice_of(d->pdi));
	buf_put(&id, slice_of(d->fwid));
	put_text("gpu.id", &id);
	buf_putf(&script, "#!/bin/sh\nexec %s helper %s \"$@\"\n", self,
		 folder);
	put("helper", 0755, buf_slice(&script));
}

static void make_gpu(struct hw_world *w, const char *self)
{
	hw_gpus(w, 1);
	put_text("collateral/driver_rim.xml", &w->vendor.driver_rim);
	put_text("collateral/vbios_rim.xml", &w->vendor.vbios_rim);
	put_responses(&w->vendor, &w->device[0]);
	put_device(&w->device[0], self);
}

static void print_gpu(struct slice report, struct slice chain)
{
	auto_buf struct buf out = buf_make(TEXT_MAX);
	struct json_out j = { .buf = &out };

	json_open_object(&j, NULL);
	json_put_u64(&j, "v", 1);
	json_open_array(&j, "gpus");
	json_open_object(&j, NULL);
	json_put_cstr(&j, "arch", "hopper");
	json_put_base64(&j, "report", report);
	json_put_str(&j, "chain", chain);
	json_close_object(&j);
	json_close_array(&j);
	json_close_object(&j);
	printf("%s\n", buf_cstr(&out));
}

static int helper(const char *nonce)
{
	auto_buf struct buf key = { 0 }, chain = { 0 }, id = { 0 };
	auto_buf struct buf report = buf_make(GPU_FORGE_MAX);
	struct gpu_forge_device d = { .chip = GPU_FORGE_GH100 };
	struct err err;

	get("gpu.key", &key);
	get("gpu.chain", &chain);
	get("gpu.id", &id);
	EXPECT(id.len == sizeof(d.pdi) + sizeof(d.fwid));
	memcpy(d.pdi, buf_slice(&id).p, sizeof(d.pdi));
	memcpy(d.fwid, buf_slice(&id).p + sizeof(d.pdi), sizeof(d.fwid));
	must(keypair_parse(buf_slice(&key), &d.leaf.key, &err), &err);
	struct gpu_forge_report r = gpu_forge_plain(&d);
	must(text_unhex(slice_str(nonce), r.nonce, sizeof(r.nonce), "nonce",
			&err),
	     &err);
	gpu_forge_report(&d, &r, &report);
	print_gpu(buf_slice(&report), buf_slice(&chain));
	keypair_free(d.leaf.key);
	return 0;
}

/* ---- All of it ---- */

static void put_pem(struct buf *out, const struct buf *der)
{
	pem_put(out, "CERTIFICATE", buf_slice(der));
}

static void put_roots(const struct hw_world *w)
{
	auto_buf struct buf pem = buf_make(TEXT_MAX);

	put_pem(&pem,
		w->is_tdx ? &w->tdx.cert[TDX_FORGE_ROOT] : &w->snp_made.ark);
	if (w->n_gpus > 0) {
		put_pem(&pem, &w->vendor.root.der);
		put_pem(&pem, &w->vendor.rim_root.der);
	}
	put_text("roots.pem", &pem);
}

static void put_policy(const struct hw_world *w)
{
	auto_buf struct buf text = buf_make(TEXT_MAX);

	hw_members(w, &text);
	if (w->n_gpus > 0)
		buf_putf(&text, ",\"gpus\":{\"arch\":[\"hopper\"],\"count\":1,"
				"\"drivers\":[\"" GPU_FORGE_DRIVER
				"\"],\"vbios\":[\"" GPU_FORGE_VBIOS "\"]}");
	buf_put_str(&text, "}");
	put_text("policy.json", &text);
}

static void serve(struct hw_world *w, bool table)
{
	const struct tsm_fake_options o = {
		.provider = w->is_tdx ? "tdx_guest" : "sev_guest",
		.no_aux = !table,
		.aux = buf_slice(&w->snp_made.table),
		.sign = w->is_tdx ? sign_tdx : sign_snp,
		.ctx = w,
	};
	auto_tsm_fake struct tsm_fake *f = tsm_fake_start(&o);
	char root[128];
	int fd = -1;

	if (f == NULL) {
		(void)fprintf(stderr, "tsm_daemon: " TSM_FAKE_SKIP "\n");
		exit(77);
	}
	/* Ours, as others see it. */
	(void)sscanf(tsm_fake_root(f), "/proc/self/fd/%d", &fd);
	(void)snprintf(root, sizeof(root), "/proc/%d/fd/%d\n", getpid(), fd);
	put("tsm", 0644, slice_str(root));
	for (;;)
		(void)pause();
}

static bool has_word(int argc, char **argv, const char *word)
{
	for (int i = 3; i < argc; i++)
		if (strcmp(argv[i], word) == 0)
			return true;
	return false;
}

int main(int argc, char **argv)
{
	static struct hw_world w;
	struct err err;

	if (argc < 3)
		return 64;
	folder = argv[2];
	must(crypto_setup(&err), &err);
	if (strcmp(argv[1], "helper") == 0)
		return argc == 5 ? helper(argv[4]) : 64;
	is_slow = has_word(argc, argv, "slow");
	make_folder("collateral");
	if (strcmp(argv[1], "tdx") == 0)
		make_tdx(&w);
	else
		make_snp(&w);
	if (has_word(argc, argv, "gpu"))
		make_gpu(&w, argv[0]);
	put_roots(&w);
	put_policy(&w);
	serve(&w, has_word(argc, argv, "table"));
	return 0;
}
