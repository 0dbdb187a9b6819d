#include "cmd/workload_rules.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/digest.h"
#include "core/cleanup.h"
#include "core/crypto.h"
#include "core/file.h"
#include "core/text.h"
#include "sandbox/mounts.h"
#include "test/test.h"

static char hex_aa[] = "command:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
static char hex_bb[] = "dir:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
		       "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
static char url[] = "upstream:http://127.0.0.1:9";
static char group[] = "llama", native[] = "native", gvisor[] = "gvisor",
	    openai[] = "openai";

/* A group's entry with some images. */
static struct manifest_worker entry(char **images, size_t n)
{
	static char *adapters[] = { openai };

	return (struct manifest_worker){
		.name = group,
		.images = { n, images },
		.adapters = { 1, adapters },
		.runtime = native,
	};
}

static void make_request(struct workload_request *r, const char *json)
{
	struct err err;

	EXPECT(workload_request_parse(slice_str(json), r, &err) == OK);
}

#define COMMAND "\"name\":\"m\",\"port\":1,\"command\":[\"/bin/m\"]"

static enum status check(const struct manifest_worker *by, const char *json)
{
	auto_workload_request struct workload_request r = { 0 };
	struct err err;

	make_request(&r, json);
	return workload_rules_check(by, &r, &err);
}

static enum status image(const struct manifest_worker *by, const char *json,
			 const struct workload_facts *f)
{
	auto_workload_request struct workload_request r = { 0 };
	struct err err;

	make_request(&r, json);
	return workload_rules_image(by, &r, f, &err);
}

TEST(adapters_must_be_among_those_of_the_group)
{
	struct manifest_worker w = entry(NULL, 0);

	CHECK(check(&w, "{" COMMAND "}") == OK);
	CHECK(check(&w, "{" COMMAND ",\"adapters\":[\"openai\",\"raw\"]}") ==
	      E_POLICY);
	CHECK(check(&w, "{\"name\":\"m\",\"upstream\":\"unix:/m\","
			"\"adapters\":[\"raw\"]}") == E_POLICY);
}

TEST(what_is_not_built_is_refused_and_not_left_out)
{
	static char model[] = "llama3";
	static char *models[] = { model };
	static const char *const requests[] = {
		"{" COMMAND "}",
		"{\"name\":\"m\",\"upstream\":\"unix:/m\"}",
	};

	for (size_t i = 0; i < countof(requests); i++) {
		struct manifest_worker w = entry(NULL, 0);

		CHECK(check(&w, requests[i]) == OK);
		w.cache_salt = MANIFEST_SALT_KEY;
		CHECK(check(&w, requests[i]) == E_CONF);
		w.cache_salt = MANIFEST_SALT_OFF;
		w.models = (struct manifest_strings){ 1, models };
		CHECK(check(&w, requests[i]) == E_CONF);
	}
}

TEST(a_runtime_that_is_not_built_is_refused)
{
	struct manifest_worker w = entry(NULL, 0);

	w.runtime = gvisor;
	CHECK(check(&w, "{" COMMAND "}") == E_CONF);
}

static enum spec_logs logs_of(enum manifest_logs policy, const char *json)
{
	auto_workload_request struct workload_request r = { 0 };
	struct manifest_worker w = entry(NULL, 0);

	w.logs = policy;
	make_request(&r, json);
	return workload_rules_logs(&w, &r);
}

TEST(output_is_kept_only_where_the_manifest_lets)
{
	struct manifest_worker w = entry(NULL, 0);
	const char *any = "{" COMMAND "}";
	const char *off = "{" COMMAND ",\"logs\":\"off\"}";
	const char *plain = "{" COMMAND ",\"logs\":\"plain\"}";

	w.logs = MANIFEST_LOGS_OFF;
	CHECK(check(&w, any) == OK && check(&w, off) == OK);
	CHECK(check(&w, plain) == E_POLICY);
	w.logs = MANIFEST_LOGS_PLAIN;
	CHECK(check(&w, any) == OK && check(&w, plain) == OK);
	w.logs = MANIFEST_LOGS_SEALED;
	CHECK(check(&w, any) == E_CONF && check(&w, plain) == E_CONF);
	CHECK(check(&w, off) == OK);

	CHECK(logs_of(MANIFEST_LOGS_OFF, any) == SPEC_LOGS_OFF);
	CHECK(logs_of(MANIFEST_LOGS_PLAIN, any) == SPEC_LOGS_PLAIN);
	CHECK(logs_of(MANIFEST_LOGS_PLAIN, off) == SPEC_LOGS_OFF);
	CHECK(logs_of(MANIFEST_LOGS_SEALED, off) == SPEC_LOGS_OFF);
}

TEST(without_images_nothing_may_run)
{
	struct manifest_worker w = entry(NULL, 0);
	struct workload_facts f = { .has_command = true,
				    .alone = true,
				    .has_tree = true };

	CHECK(image(&w, "{" COMMAND "}", &f) == E_POLICY);
	CHECK(image(&w, "{\"name\":\"m\",\"upstream\":\"unix:/m\"}", &f) ==
	      E_POLICY);
	w.images_any = true;
	CHECK(image(&w, "{" COMMAND "}", &f) == OK);
	/* What is outside of any sandbox is no program. */
	CHECK(image(&w, "{\"name\":\"m\",\"upstream\":\"unix:/m\"}", &f) ==
	      E_POLICY);
}

TEST(a_command_is_allowed_by_its_digest_and_only_if_known)
{
	char *images[] = { hex_aa };
	struct manifest_worker w = entry(images, 1);
	struct workload_facts f = { .has_command = true, .alone = true };

	memset(f.command, 0xaa, 32);
	CHECK(image(&w, "{" COMMAND "}", &f) == OK);
	f.command[31] ^= 1;
	CHECK(image(&w, "{" COMMAND "}", &f) == E_POLICY);
	f.command[31] ^= 1;
	f.has_command = false;
	CHECK(image(&w, "{" COMMAND "}", &f) == E_POLICY);
	/* The digest of a tree is no digest of a command. */
	f.has_tree = true;
	memset(f.tree, 0xaa, 32);
	CHECK(image(&w, "{" COMMAND "}", &f) == E_POLICY);
}

TEST(a_command_that_loads_more_from_root_is_not_allowed_alone)
{
	char *images[] = { hex_aa };
	struct manifest_worker w = entry(images, 1);
	struct workload_facts f = { .has_command = true, .alone = false };

	memset(f.command, 0xaa, 32);
	CHECK(image(&w, "{" COMMAND ",\"root\":\"/r\"}", &f) == E_POLICY);
}

TEST(a_root_is_allowed_by_its_digest)
{
	char *images[] = { hex_aa, hex_bb };
	struct manifest_worker w = entry(images, 2);
	struct workload_facts f = { .has_tree = true };

	memset(f.tree, 0xbb, 32);
	CHECK(image(&w, "{" COMMAND ",\"root\":\"/r\"}", &f) == OK);
	f.tree[0] = 0;
	CHECK(image(&w, "{" COMMAND ",\"root\":\"/r\"}", &f) == E_POLICY);
}

TEST(an_upstream_is_allowed_by_its_exact_url)
{
	char *images[] = { hex_aa, url };
	struct manifest_worker w = entry(images, 2);
	struct workload_facts f = { 0 };

	CHECK(image(&w, "{\"name\":\"m\",\"upstream\":\"http://127.0.0.1:9\"}",
		    &f) == OK);
	CHECK(image(&w, "{\"name\":\"m\",\"upstream\":\"http://127.0.0.1:90\"}",
		    &f) == E_POLICY);
	CHECK(image(&w, "{\"name\":\"m\",\"upstream\":\"http://127.0.0.1\"}",
		    &f) == E_POLICY);
}

TEST(tells_which_kinds_are_worth_finding_out)
{
	char *images[] = { hex_aa };
	struct manifest_worker w = entry(images, 1);

	CHECK(workload_rules_want(&w, "command:"));
	CHECK(!workload_rules_want(&w, "dir:"));
}

/* ---- workload_scan ------------------------------------------------------ */

static enum status scan(const char *json, bool command, bool tree,
			struct workload_facts *out)
{
	auto_workload_request struct workload_request r = { 0 };
	auto_workload_scan struct workload_scan *s = NULL;
	struct err err;
	enum status st;

	make_request(&r, json);
	if (workload_scan_new(&r, command, tree, &s, &err) != OK)
		return err.code;
	do
		st = workload_scan_step(s, 100, out, &err);
	while (st == E_AGAIN);
	return st;
}

/* A root with one script in it. */
static const char *in_root(const char *command)
{
	static char json[1024];
	char path[512];
	struct err err;

	(void)snprintf(path, sizeof(path), "%s/root", test_dir());
	(void)mkdir(path, 0755);
	(void)snprintf(path, sizeof(path), "%s/root/m", test_dir());
	EXPECT(file_write(path, S("#!/bin/sh\n"), 0755, &err) == OK);
	(void)snprintf(json, sizeof(json),
		       "{\"name\":\"m\",\"port\":1,\"command\":[\"%s\"],"
		       "\"root\":\"%s/root\"}",
		       command, test_dir());
	return json;
}

TEST(scans_a_command_in_its_root)
{
	struct workload_facts f = { 0 };
	uint8_t want[32];

	sha256(S("#!/bin/sh\n"), want);
	CHECK(scan(in_root("/m"), true, false, &f) == OK);
	CHECK(f.has_command && !f.has_tree && !f.alone);
	CHECK(memcmp(f.command, want, 32) == 0);
}

TEST(scans_a_tree_only_where_there_is_a_root)
{
	struct workload_facts f = { 0 };

	CHECK(scan(in_root("/m"), false, true, &f) == OK);
	CHECK(!f.has_command && f.has_tree);
	f = (struct workload_facts){ 0 };
	CHECK(scan("{\"name\":\"m\",\"port\":1,\"command\":[\"/bin/sh\"]}",
		   true, true, &f) == OK);
	CHECK(f.has_command && f.alone && !f.has_tree);
}

TEST(our_own_program_is_not_looked_up_in_root)
{
	auto_digest struct digest *d = NULL;
	struct workload_facts f = { 0 };
	uint8_t self[32];
	struct err err;

	CHECK(scan(in_root(MOUNTS_SHIM), true, false, &f) == OK);
	CHECK(digest_self_new(&d, &err) == OK);
	CHECK(digest_finish(d, self, &err) == OK);
	CHECK(f.alone);
	CHECK(memcmp(f.command, self, 32) == 0);
}

TEST(a_command_that_is_not_there_is_refused)
{
	struct workload_facts f = { 0 };

	CHECK(scan(in_root("/none"), true, false, &f) == E_NOTFOUND);
	CHECK(scan("{\"name\":\"m\",\"port\":1,\"command\":[\"/m\"],"
		   "\"root\":\"/nonexistent\"}",
		   false, true, &f) == E_NOTFOUND);
	CHECK(!f.has_command && !f.has_tree);
}

TEST(an_upstream_needs_no_scan)
{
	struct workload_facts f = { .alone = true };

	CHECK(scan("{\"name\":\"m\",\"upstream\":\"unix:/m\"}", true, true,
		   &f) == OK);
	CHECK(!f.has_command && !f.has_tree && !f.alone);
}
