#include "attest/tee/tee.h"

#include <sys/stat.h>

#include "attest/verifier.h"
#include "core/cleanup.h"
#include "core/clock.h"
#include "core/file.h"
#include "test/attest/sim_world.h"
#include "test/test.h"

TEST(finds_what_is_in_the_table_and_nothing_else)
{
	struct err err;

	CHECK(tee_find(S("sim")) == &tee_sim);
	CHECK(tee_find(S("SIM")) == NULL);
	CHECK(tee_find(S("")) == NULL);
	CHECK(tee_find(S("sgx")) == NULL);
	CHECK(tee_check("sim", &err) == OK);
	CHECK(tee_check("sgx", &err) == E_CONF);
	CHECK(tee_at(0) != NULL);
	CHECK(tee_at(100) == NULL);
}

TEST(every_row_that_this_build_has_is_whole)
{
	for (size_t i = 0; tee_at(i) != NULL; i++) {
		const struct tee *t = tee_at(i);

		CHECK(t->name != NULL && t->title != NULL);
		if (t->missing != NULL)
			continue;
		CHECK(t->detect != NULL && t->open != NULL);
		CHECK(t->close != NULL && t->issue != NULL);
		CHECK(t->verify != NULL && t->n_mandatory != NULL &&
		      *t->n_mandatory > 0);
	}
}

TEST(every_kind_of_policy_has_a_tee)
{
	struct err err;

	CHECK(tee_check("snp", &err) == OK);
	CHECK(tee_check("tdx", &err) == OK);
	CHECK(tee_find(S("snp"))->warning == NULL);
}

TEST(roots_for_tests_are_certificates)
{
	auto_world struct world w;
	struct tee_roots roots = { .n = 77 };
	auto_buf struct buf many = buf_make(1u << 20);
	struct err err;

	world_init(&w);
	struct slice pem = buf_slice(&w.root);
	struct slice cert = slice_from(
		pem, slice_search(pem, S("-----BEGIN CERTIFICATE-----")));
	CHECK(tee_test_roots_allowed());
	CHECK(tee_roots_parse(S(""), &roots, &err) == E_CONF);
	CHECK(tee_roots_parse(S("x"), &roots, &err) == E_CONF);
	CHECK(roots.n == 77);
	CHECK(tee_roots_parse(cert, &roots, &err) == OK);
	CHECK(roots.n == 1);
	CHECK(memcmp(roots.spki[0], w.root_digest, 32) == 0);
	for (size_t i = 0; i < TEE_ROOTS_MAX; i++)
		buf_put(&many, cert);
	CHECK(tee_roots_parse(buf_slice(&many), &roots, &err) == OK);
	CHECK(roots.n == TEE_ROOTS_MAX);
	buf_put(&many, cert);
	CHECK(tee_roots_parse(buf_slice(&many), &roots, &err) == E_CONF);
}

TEST(no_device_where_nothing_was_set_up)
{
	const struct tee_settings s = { 0 };
	auto_tee_device struct tee_device *d = NULL;
	struct err err;

	CHECK(tee_device_open(&s, "sgx", &d, &err) == E_CONF);
	CHECK(tee_device_open(&s, "sim", &d, &err) == E_CONF);
	CHECK(tee_sim.detect(&s, &err) == E_NOTFOUND);
	CHECK(d == NULL);
}

TEST(a_root_file_that_others_can_read_is_refused)
{
	auto_world struct world w;
	auto_tee_device struct tee_device *d = NULL;
	char path[4200];
	struct err err;

	world_init(&w);
	(void)snprintf(path, sizeof(path), "%s/root.pem", test_dir());
	CHECK(file_write(path, buf_slice(&w.root), 0644, &err) == OK);
	const struct tee_settings s = { .sim_root = path };
	CHECK(tee_device_open(&s, "sim", &d, &err) == E_PERM);
	CHECK(d == NULL);
}

TEST(a_device_attests_the_running_program)
{
	auto_world struct world w;
	auto_tee_device struct tee_device *d = NULL;
	auto_buf struct buf bundle = buf_make(EVIDENCE_MAX);
	auto_buf struct buf policy = buf_make(1024);
	char path[4200];
	struct err err;

	world_init(&w);
	(void)snprintf(path, sizeof(path), "%s/root.pem", test_dir());
	CHECK(file_write(path, buf_slice(&w.root), 0600, &err) == OK);
	const struct tee_settings s = { .sim_root = path };
	clock_set_wall_for_tests(WORLD_NOW);
	enum status status = tee_device_open(&s, "sim", &d, &err);
	clock_set_wall_for_tests(-1);
	CHECK(status == OK);
	CHECK(tee_device_tee(d) == &tee_sim);
	CHECK(tee_device_attest(d, &w.statement, &bundle, &err) == OK);

	w.vc.bundle = buf_slice(&bundle);
	CHECK(world_judge(&w) == E_POLICY); /* another program */
	CHECK(sim_measure_self(w.options.measurement, &err) == OK);
	buf_put_str(&policy, "");
	world_good_policy(&w, &policy);
	struct slice text = buf_slice(&policy); /* this build's svn is 1 */
	size_t at = slice_search(text, S(",\"min_svn\""));
	buf_cut(&policy, at);
	buf_put_str(&policy, "}");
	world_policy(&w, buf_cstr(&policy));
	CHECK(world_judge(&w) == OK);
}

TEST(a_statement_that_may_not_be_made_leaves_nothing)
{
	auto_world struct world w;
	auto_tee_device struct tee_device *d = NULL;
	auto_buf struct buf bundle = buf_make(EVIDENCE_MAX);
	char path[4200];
	struct err err;

	world_init(&w);
	(void)snprintf(path, sizeof(path), "%s/root.pem", test_dir());
	CHECK(file_write(path, buf_slice(&w.root), 0600, &err) == OK);
	const struct tee_settings s = { .sim_root = path };
	CHECK(tee_device_open(&s, NULL, &d, &err) == OK);
	w.statement.has_exporter = false;
	CHECK(tee_device_attest(d, &w.statement, &bundle, &err) == E_POLICY);
	CHECK(bundle.len == 0);
}

TEST(settings_that_cannot_be_used_are_told_at_the_start)
{
	auto_world struct world w;
	auto_tee_device struct tee_device *d = NULL;
	char path[4200];
	struct err err;

	world_init(&w);
	(void)snprintf(path, sizeof(path), "%s/root.pem", test_dir());
	CHECK(file_write(path, buf_slice(&w.root), 0600, &err) == OK);
	const struct tee_settings bad[] = {
		{ .sim_root = path, .collateral = path },
		{ .sim_root = path, .collateral = "/nowhere at all" },
		{ .sim_root = path, .gpu_helper = path },
		{ .sim_root = path, .gpu_helper = "bin/true" },
	};
	for (size_t i = 0; i < countof(bad); i++) {
		CHECK(tee_device_open(&bad[i], "sim", &d, &err) == E_CONF);
		CHECK(d == NULL);
	}
	const struct tee_settings good = { .sim_root = path,
					   .collateral = test_dir() };
	CHECK(tee_device_open(&good, "sim", &d, &err) == OK);
}
