#include "test/attest/sim_world.h"

#include <stdlib.h>

#include "core/cleanup.h"
#include "core/text.h"
#include "test/test.h"

/* Making a world cannot fail unless the code is broken: then stop. */
static void must(enum status status, const struct err *err)
{
	if (status == OK)
		return;
	(void)fprintf(stderr, "world: %s\n", err->text);
	abort();
}

/* Making P-384 keys takes time: one root serves all tests. */
static struct slice shared_root(void)
{
	static struct buf root;
	struct err err;

	if (root.len == 0) {
		root = buf_make(16384);
		must(sim_root_new(WORLD_NOW, &root, &err), &err);
	}
	return buf_slice(&root);
}

void world_good_policy(const struct world *w, struct buf *out)
{
	buf_put_str(out, "{\"tee\":\"sim\",\"root\":\"");
	text_hex(out, slice_of(w->root_digest));
	buf_put_str(out, "\",\"measurements\":[\"");
	text_hex(out, slice_of(w->options.measurement));
	buf_put_str(out, "\"],\"min_svn\":3}");
}

void world_policy(struct world *w, const char *policy)
{
	struct err err;

	buf_clear(&w->manifest_text);
	buf_putf(&w->manifest_text,
		 "{\"version\":1,\"name\":\"test\",\"generation\":1,"
		 "\"policies\":{\"p\":%s},"
		 "\"attestation_service\":{\"policies\":[\"p\"]}}",
		 policy);
	manifest_free(w->manifest);
	w->manifest = NULL;
	must(manifest_parse(buf_slice(&w->manifest_text), "test", &w->manifest,
			    &err),
	     &err);
	w->vc.by = w->manifest;
	w->vc.policies = &w->manifest->as_policies;
}

void world_rewrite(struct world *w)
{
	struct err err;

	buf_clear(&w->bundle);
	must(evidence_write(&w->evidence, &w->bundle, &err), &err);
	w->vc.bundle = buf_slice(&w->bundle);
}

void world_attest(struct world *w)
{
	auto_sim_device struct sim_device *device = NULL;
	uint8_t report_data[STATEMENT_REPORT_DATA_LEN];
	struct err err;

	evidence_done(&w->evidence);
	must(sim_device_new(buf_slice(&w->root), &w->options, &device, &err),
	     &err);
	must(statement_write(&w->statement, &w->evidence.statement, &err),
	     &err);
	statement_report_data(buf_slice(&w->evidence.statement), report_data);
	must(sim_device_issue(device, report_data, &w->evidence, &err), &err);
	world_rewrite(w);
}

/* What the verifier expects is what the statement says. */
static void expect_all(struct world *w)
{
	const struct statement *s = &w->statement;

	w->vc.purpose = s->purpose;
	w->vc.nonce = expect_bytes(s->nonce);
	w->vc.exporter = expect_bytes(s->exporter);
	w->vc.spki = expect_bytes(s->spki);
	w->vc.keys = expect_bytes(s->keys);
	w->vc.manifest = expect_bytes(s->manifest);
	w->vc.now = WORLD_NOW;
}

void world_init(struct world *w)
{
	auto_buf struct buf policy = buf_make(1024);
	struct err err;

	*w = (struct world){ .root = buf_make(16384),
			     .manifest_text = buf_make(MANIFEST_MAX),
			     .bundle = buf_make(EVIDENCE_MAX) };
	evidence_init(&w->evidence);
	trace_init(&w->trace);
	buf_put(&w->root, shared_root());
	must(sim_root_digest(buf_slice(&w->root), w->root_digest, &err), &err);

	w->options.svn = 3;
	w->options.not_before = WORLD_NOW - 60;
	w->options.not_after = WORLD_NOW + 60;
	memset(w->options.measurement, 0x5a, SIM_MEASUREMENT_LEN);
	w->statement = (struct statement){ .purpose = PURPOSE_WORKER,
					   .has_exporter = true,
					   .has_manifest = true };
	memset(w->statement.nonce, 1, 32);
	memset(w->statement.exporter, 2, 32);
	memset(w->statement.spki, 3, 32);
	memset(w->statement.keys, 4, 32);
	memset(w->statement.manifest, 5, 32);
	expect_all(w);

	world_good_policy(w, &policy);
	world_policy(w, buf_cstr(&policy));
	world_attest(w);
}

void world_done(struct world *w)
{
	buf_done(&w->root);
	buf_done(&w->manifest_text);
	buf_done(&w->bundle);
	manifest_free(w->manifest);
	evidence_done(&w->evidence);
	trace_done(&w->trace);
	verdict_free(w->verdict);
}

enum status world_judge(struct world *w)
{
	verdict_free(w->verdict);
	w->verdict = NULL;
	w->claims = (struct claims){ .vmpl = 77 };
	w->err = (struct err){ 0 };
	return verifier_judge(&w->vc, &w->trace, &w->claims, &w->verdict,
			      &w->err);
}

bool world_refused(const struct world *w, enum status code, const char *step)
{
	const struct trace_step *s = trace_first_failure(&w->trace);

	return EXPECT(w->err.code == code) && EXPECT(s != NULL) &&
	       test_str_eq(__FILE__, __LINE__, "first failure", s->rule->step,
			   step) &&
	       EXPECT(w->verdict == NULL) && EXPECT(w->claims.vmpl == 77) &&
	       EXPECT(strstr(w->err.text, step) == w->err.text);
}
