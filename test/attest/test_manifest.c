#include "attest/manifest.h"

#include "core/cleanup.h"
#include "core/crypto.h"
#include "core/text.h"
#include "test/test.h"

/* clang-format off */
#define D32 "1111111111111111111111111111111111111111111111111111111111111111"
#define E32 "2222222222222222222222222222222222222222222222222222222222222222"
#define Z32 "0000000000000000000000000000000000000000000000000000000000000000"
#define D48 D32 "11111111111111111111111111111111"
#define E48 D32 "22222222222222222222222222222222"
#define D64 D32 D32

/* The least there can be. */
#define SIM "{\"tee\":\"sim\",\"root\":\"" D32 "\",\"measurements\":[\"" \
	D48 "\"]}"
#define MINIMAL "{\"version\":1,\"name\":\"test\",\"generation\":1," \
	"\"policies\":{\"p\":" SIM "}," \
	"\"attestation_service\":{\"policies\":[\"p\"]}}"

/* Everything there can be, a line a section. */
static const char *const full[] = {
	"{\"version\":1,\"name\":\"prod\",\"generation\":7,",
	"\"policies\":{\"as\":{\"tee\":\"snp\",\"products\":[\"Genoa\","
	"\"Turin\"],\"measurements\":[\"" D48 "\"],"
	"\"min_tcb\":{\"bootloader\":9,\"tee\":0,\"snp\":23,\"microcode\":72,"
	"\"fmc\":1},"
	"\"guest_policy\":{\"debug\":false,\"migrate\":false,\"smt\":true},"
	"\"vmpl\":1,"
	"\"id_key_digests\":[\"" E48 "\"],\"host_data\":[\"" D32
	"\"],\"chip_ids\":[\"" D64 "\",\"1111111111111111\"]},",
	"\"h100\":{\"tee\":\"tdx\",\"mrtd\":[\"" D48 "\"],\"rtmrs\":{\"0\":[\""
	D48 "\"],\"1\":[\"" D48 "\"],"
	"\"2\":[\"" D48 "\"],\"3\":[\"" D48 "\",\"" E48
	"\"]},\"tcb_status\":[\"UpToDate\"],\"advisories\":[],"
	"\"gpus\":{\"arch\":[\"hopper\"],\"count\":8,"
	"\"drivers\":[\"570.86.15\"],\"vbios\":[\"96.00.74.00.1A\"],"
	"\"ocsp\":{\"unknown\":false,\"revoked_grace_hours\":48}}},",
	"\"dev\":{\"tee\":\"sim\",\"root\":\"" D32 "\",\"measurements\":[\""
	D48 "\"],\"min_svn\":2,\"debug\":true}},",
	"\"attestation_service\":{\"policies\":[\"as\",\"dev\"]},",
	"\"workers\":{\"llama\":{\"policies\":[\"h100\"],"
	"\"models\":[\"llama3\"],\"images\":[\"sha256:" D32 "\",\"command:" D32
	"\",\"dir:" D32 "\"],"
	"\"adapters\":[\"openai\",\"anthropic\"],\"runtime\":\"gvisor\","
	"\"logs\":\"sealed\",\"cache_salt\":\"per-key\"},",
	"\"any\":{\"policies\":[\"dev\"],\"images\":[\"any\"],"
	"\"adapters\":[\"raw\"],\"runtime\":\"/usr/bin/crun\"}},",
	"\"models\":{\"llama3\":{\"verity_root\":\"" D32
	"\",\"hash\":\"sha256\",\"key\":\"model/llama3\"},"
	"\"open\":{\"verity_root\":\"" D32 "\",\"hash\":\"sha256\"}},",
	"\"admins\":{\"keys\":[{\"name\":\"alice\",\"spki_sha256\":\"" D32
	"\"},{\"name\":\"bob\",\"spki_sha256\":\"" E32 "\"}],\"threshold\":2},",
	"\"operators\":[{\"name\":\"ops\",\"spki_sha256\":\"" D32 "\"}],",
	"\"recovery\":{\"keys\":[{\"name\":\"alice\",\"public_key\":\"" D32
	"\"}],\"threshold\":1},",
	"\"secrets\":{\"static\":[\"team-a\"],"
	"\"client_exchange\":{\"enabled\":true,\"ttl\":1800}},",
	"\"leases\":{\"worker\":300,\"certificate\":900}}",
};
/* clang-format on */

#define TEXT_MAX 8192

/* The full manifest, a line a section, with one text replaced by another:
 * where it stands first, or (from NULL) nothing. */
static const char *change(struct buf *out, const char *from, const char *to)
{
	auto_buf struct buf good = buf_make(TEXT_MAX);

	for (size_t i = 0; i < countof(full); i++)
		buf_putf(&good, "%s\n", full[i]);
	struct slice text = buf_slice(&good);
	size_t at =
		from == NULL ? text.len : slice_search(text, slice_str(from));
	EXPECT(from == NULL || at < text.len);
	buf_clear(out);
	buf_put(out, slice_sub(text, 0, at));
	if (from != NULL) {
		buf_put_str(out, to);
		buf_put(out, slice_from(text, at + strlen(from)));
	}
	return buf_cstr(out);
}

static enum status parse(const char *text, struct manifest **out,
			 struct err *err)
{
	return manifest_parse(slice_str(text), "m.json", out, err);
}

TEST(the_least_manifest_has_defaults_and_nothing_else)
{
	auto_manifest struct manifest *m = NULL;
	struct err err;

	CHECK(parse(MINIMAL, &m, &err) == OK);
	CHECK_STR_EQ(m->name, "test");
	CHECK(m->generation == 1);
	CHECK(m->n_policies == 1 && m->policy[0].tee == MANIFEST_SIM);
	CHECK(m->policy[0].sim.min_svn == 0 && !m->policy[0].sim.debug);
	CHECK(m->n_workers == 0 && m->n_models == 0);
	CHECK(m->admins.n == 0 && m->operators.n == 0 && m->recovery.n == 0);
	CHECK(m->static_secrets.n == 0 && !m->client_exchange);
	CHECK(m->lease_worker == 600 && m->lease_certificate == 3600);
	CHECK(m->client_exchange_ttl == 3600);
}

TEST(keeps_the_exact_bytes_and_their_digest)
{
	auto_manifest struct manifest *m = NULL;
	uint8_t digest[32];
	struct err err;

	CHECK(parse(" " MINIMAL "\n", &m, &err) == OK);
	CHECK(slice_eq(buf_slice(&m->text), S(" " MINIMAL "\n")));
	sha256(S(" " MINIMAL "\n"), digest);
	CHECK(memcmp(m->digest, digest, 32) == 0);
}

TEST(reads_policies_of_every_tee)
{
	auto_manifest struct manifest *m = NULL;
	auto_buf struct buf text = buf_make(TEXT_MAX);
	struct err err;

	CHECK(parse(change(&text, NULL, NULL), &m, &err) == OK);
	const struct manifest_policy *p = manifest_find_policy(m, S("as"));
	CHECK(p != NULL && p->tee == MANIFEST_SNP);
	CHECK(manifest_strings_have(&p->snp.products, S("Turin")));
	CHECK(p->snp.measurements.n == 1 &&
	      p->snp.measurements.item[0].len == 48);
	CHECK(p->snp.min_bootloader == 9 && p->snp.min_tee == 0);
	CHECK(p->snp.min_snp == 23 && p->snp.min_microcode == 72);
	CHECK(p->snp.min_fmc == 1 && p->snp.vmpl == 1);
	CHECK(!p->snp.debug && !p->snp.migrate && p->snp.smt);
	CHECK(p->snp.id_key_digests.n == 1 && p->snp.host_data.n == 1);
	CHECK(p->snp.chip_ids.n == 2 && p->snp.chip_ids.item[1].len == 8);
	p = manifest_find_policy(m, S("h100"));
	CHECK(p != NULL && p->tee == MANIFEST_TDX && p->has_gpus);
	CHECK(p->tdx.mrtd.n == 1 && p->tdx.rtmr[3].n == 2);
	CHECK(p->tdx.tcb_status.n == 1 && p->tdx.advisories.n == 0);
	CHECK(p->gpus.count == 8 && p->gpus.ocsp_revoked_grace == 48);
	CHECK(manifest_strings_have(&p->gpus.vbios, S("96.00.74.00.1A")));
	p = manifest_find_policy(m, S("dev"));
	CHECK(p != NULL && p->sim.min_svn == 2 && p->sim.debug);
	CHECK(p->sim.root[0] == 0x11);
	CHECK(manifest_find_policy(m, S("a")) == NULL);
	CHECK(manifest_find_policy(m, S("")) == NULL);
}

TEST(reads_workers_and_models)
{
	auto_manifest struct manifest *m = NULL;
	auto_buf struct buf text = buf_make(TEXT_MAX);
	struct err err;

	CHECK(parse(change(&text, NULL, NULL), &m, &err) == OK);
	const struct manifest_worker *w = manifest_find_worker(m, S("llama"));
	CHECK(w != NULL && w->images.n == 3 && !w->images_any);
	CHECK(manifest_strings_have(&w->images, S("dir:" D32)));
	CHECK(manifest_strings_have(&w->adapters, S("anthropic")));
	CHECK(w->logs == MANIFEST_LOGS_SEALED);
	CHECK(w->cache_salt == MANIFEST_SALT_KEY);
	CHECK_STR_EQ(w->runtime, "gvisor");
	w = manifest_find_worker(m, S("any"));
	CHECK(w != NULL && w->images_any && w->images.n == 0);
	CHECK_STR_EQ(w->runtime, "/usr/bin/crun");
	CHECK(w->logs == MANIFEST_LOGS_OFF && w->models.n == 0);
	CHECK_STR_EQ(manifest_find_model(m, S("llama3"))->key, "model/llama3");
	CHECK(manifest_find_model(m, S("open"))->key == NULL);
	CHECK(manifest_find_model(m, S("gone")) == NULL);
}

TEST(reads_people_secrets_and_leases)
{
	auto_manifest struct manifest *m = NULL;
	auto_buf struct buf text = buf_make(TEXT_MAX);
	uint8_t key[32];
	struct err err;

	CHECK(parse(change(&text, NULL, NULL), &m, &err) == OK);
	CHECK(m->admins.n == 2 && m->admins.threshold == 2);
	memset(key, 0x22, 32);
	CHECK_STR_EQ(manifest_find_key(&m->admins, key)->name, "bob");
	CHECK(manifest_find_key(&m->operators, key) == NULL);
	CHECK(m->operators.n == 1 && m->recovery.threshold == 1);
	CHECK(manifest_strings_have(&m->static_secrets, S("team-a")));
	CHECK(m->client_exchange && m->client_exchange_ttl == 1800);
	CHECK(m->lease_worker == 300 && m->lease_certificate == 900);
}

/* ---- Every rule, broken ---- */

/* clang-format off */
/* from: what is replaced in the full manifest; to: by what; error: how the
 * refusal begins, behind "m.json:LINE: " where line is not 0. */
static const struct {
	const char *from, *to;
	size_t line;
	const char *error;
} rules[] = {
	/* the whole */
	{ "\"version\":1", "\"version\":2", 1, "version: expected 1, found 2" },
	{ "\"version\":1,", "", 1, "version: expected 1, found nothing" },
	{ "\"version\":1", "\"version\":\"1\"",
	  1, "version: expected 1, found \"1\"" },
	{ "\"version\":1", "\"version\":1.5",
	  1, "version: expected 1, found another number" },
	{ "\"version\":1", "\"Version\":1", 1, "Version: no such member" },
	{ "\"version\":1", "\"version\":1,\"version\":1", 1, "column " },
	{ "\"version\":1", "\"version\":1,\"\\u0076ersion\":1", 1, "column " },
	{ "\"name\":\"prod\",", "", 1, "name: expected a name" },
	{ "\"name\":\"prod\"", "\"name\":\"Prod\"",
	  1, "name: expected a name" },
	{ "\"name\":\"prod\"", "\"name\":\"\"", 1, "name: expected a name" },
	{ "\"name\":\"prod\"", "\"name\":\"a/b\"", 1, "name: expected a name" },
	{ "\"name\":\"prod\"", "\"name\":null", 1, "name: expected a name" },
	{ "\"generation\":7", "\"generation\":0",
	  1, "generation: expected a number from 1 on, found 0" },
	{ "\"generation\":7", "\"generation\":-1", 1, "generation: expected" },
	{ "\"generation\":7", "\"generation\":9007199254740993",
	  1, "generation: expected" },
	{ "\"generation\":7,", "",
	  1, "generation: expected a number from 1 on, found nothing" },
	{ "\"generation\":7", "\"generations\":7",
	  1, "generations: no such member; did you mean generation?" },
	{ "{\"version\"", "[{\"version\"", 0, NULL },
	{ "900}}", "900}} {}", 0, NULL },
	{ "900}}", "900}", 0, NULL },
	/* policies */
	{ "\"policies\":{\"as\":", "\"policies\":{\"As\":",
	  2, "policies.As: expected a name" },
	{ "\"tee\":\"snp\"", "\"tee\":\"sgx\"",
	  2, "policies.as.tee: expected snp, tdx or sim, found \"sgx\"" },
	{ "\"tee\":\"snp\",", "",
	  2, "policies.as.tee: expected snp, tdx or sim, found nothing" },
	{ "\"tee\":\"snp\"", "\"tee\":\"tdx\"",
	  2, "policies.as.products: no such member" },
	{ "\"tee\":\"snp\"", "\"tee\":1", 2, "policies.as.tee: expected" },
	{ "[\"Genoa\",\"Turin\"]", "[]",
	  2, "policies.as.products: expected a list of products, found an "
	  "empty one" },
	{ "[\"Genoa\",\"Turin\"]", "\"Genoa\"",
	  2, "policies.as.products: expected a list of products, found "
	  "\"Genoa\"" },
	{ "[\"Genoa\",\"Turin\"]", "[\"Rome\"]",
	  2, "policies.as.products[0]: expected Milan, Genoa or Turin, "
	  "found \"Rome\"" },
	{ "[\"Genoa\",\"Turin\"]", "[\"Genoa\",\"Genoa\"]",
	  2, "policies.as.products[1]: expected every entry once" },
	{ "\"measurements\":[\"" D48 "\"]", "\"measurements\":[]",
	  2, "policies.as.measurements: expected a list" },
	{ "\"measurements\":[\"" D48 "\"],", "",
	  2, "policies.as.measurements: expected a list" },
	{ "\"measurements\":[\"" D48 "\"]",
	  "\"measurements\":[\"" D48 "\",\"" D48 "\"]",
	  2, "policies.as.measurements[1]: expected every entry once" },
	{ "\"measurements\":[\"" D48 "\"]", "\"measurements\":[\"" D32 "\"]",
	  2, "policies.as.measurements[0]: expected 96" },
	{ "\"measurements\":[\"" D48 "\"]", "\"measurements\":[\"" D48 "1\"]",
	  2, "policies.as.measurements[0]: expected 96" },
	{ "\"measurements\":[\"11", "\"measurements\":[\"AB",
	  2, "policies.as.measurements[0]: expected 96" },
	{ "\"measurements\":[\"11", "\"measurements\":[\"g1",
	  2, "policies.as.measurements[0]: expected 96" },
	{ "\"measurements\":[\"" D48 "\"]", "\"measurements\":[null]",
	  2, "policies.as.measurements[0]: expected 96" },
	{ "\"measurements\":[\"" D48 "\"]", "\"measurements\":[\"\"]",
	  2, "policies.as.measurements[0]: expected 96" },
	{ "\"bootloader\":9,", "",
	  2, "policies.as.min_tcb.bootloader: expected a number from 0 to "
	  "255, found nothing" },
	{ "\"bootloader\":9", "\"bootloader\":256",
	  2, "policies.as.min_tcb.bootloader: expected a number from 0 to "
	  "255, found 256" },
	{ "\"tee\":0,", "", 2, "policies.as.min_tcb.tee: expected" },
	{ "\"snp\":23,", "", 2, "policies.as.min_tcb.snp: expected" },
	{ "\"microcode\":72,", "",
	  2, "policies.as.min_tcb.microcode: expected" },
	{ "\"fmc\":1", "\"fmc\":-1", 2, "policies.as.min_tcb.fmc: expected" },
	{ "\"fmc\":1", "\"spl\":1",
	  2, "policies.as.min_tcb.spl: no such member" },
	{ "\"migrate\":false", "\"migrate\":0",
	  2, "policies.as.guest_policy.migrate: expected true or false" },
	{ "\"migrate\":false", "\"migration\":false",
	  2, "policies.as.guest_policy.migration: no such member" },
	{ "\"debug\":false", "\"debug\":\"false\"",
	  2, "policies.as.guest_policy.debug: expected true or false" },
	{ "\"vmpl\":1", "\"vmpl\":4",
	  2, "policies.as.vmpl: expected a number from 0 to 3, found 4" },
	{ "\"id_key_digests\":[\"" E48 "\"]", "\"id_key_digests\":[]",
	  2, "policies.as.id_key_digests: expected" },
	{ "\"host_data\":[\"" D32 "\"]", "\"host_data\":[]",
	  2, "policies.as.host_data: expected" },
	{ "\"host_data\":[\"" D32 "\"]", "\"host_data\":[\"" D48 "\"]",
	  2, "policies.as.host_data[0]: expected 64" },
	{ "\"1111111111111111\"]}", "\"11111111\"]}",
	  2, "policies.as.chip_ids[1]: expected 128" },
	{ "\"1111111111111111\"]}", "\"1111111111111111\"],\"more\":1}",
	  2, "policies.as.more: no such member" },
	{ "\"mrtd\":[\"" D48 "\"]", "\"mrtd\":[]",
	  3, "policies.h100.mrtd: expected" },
	{ "\"0\":[\"" D48 "\"]", "\"0\":[]",
	  3, "policies.h100.rtmrs.0: expected" },
	{ "\"1\":[\"" D48 "\"],", "", 3, "policies.h100.rtmrs.1: expected" },
	{ "\"2\":[", "\"4\":[", 3, "policies.h100.rtmrs.4: no such member" },
	{ "[\"UpToDate\"]", "[\"Revoked\"]",
	  3, "policies.h100.tcb_status[0]: expected UpToDate" },
	{ "[\"UpToDate\"]", "[\"OutOfDate\"]",
	  3, "policies.h100.tcb_status[0]: expected UpToDate" },
	{ "[\"UpToDate\"]", "[]", 3, "policies.h100.tcb_status: expected" },
	{ "\"advisories\":[]", "\"advisories\":[\"SA-1\"]",
	  3, "policies.h100.advisories[0]: expected an advisory" },
	{ "\"advisories\":[]", "\"advisories\":{}",
	  3, "policies.h100.advisories: expected a list" },
	{ "\"count\":8", "\"count\":0",
	  3, "policies.h100.gpus.count: expected" },
	{ "\"count\":8,", "", 3, "policies.h100.gpus.count: expected" },
	{ "[\"hopper\"]", "[\"volta\"]",
	  3, "policies.h100.gpus.arch[0]: expected" },
	{ "[\"hopper\"]", "[]", 3, "policies.h100.gpus.arch: expected" },
	{ "[\"570.86.15\"]", "[]", 3, "policies.h100.gpus.drivers: expected" },
	{ "[\"570.86.15\"]", "[\"570 86\"]",
	  3, "policies.h100.gpus.drivers[0]: expected" },
	{ "[\"96.00.74.00.1A\"]", "[]",
	  3, "policies.h100.gpus.vbios: expected" },
	{ "\"revoked_grace_hours\":48", "\"revoked_grace_hours\":721",
	  3, "policies.h100.gpus.ocsp.revoked_grace_hours: expected" },
	{ "\"unknown\":false", "\"unknown\":null",
	  3, "policies.h100.gpus.ocsp.unknown: expected" },
	{ "\"tee\":\"sim\",\"root\":\"" D32 "\",", "\"tee\":\"sim\",",
	  4, "policies.dev.root: expected 64" },
	{ "\"tee\":\"sim\",\"root\":\"" D32 "\"",
	  "\"tee\":\"sim\",\"root\":\"" D48 "\"",
	  4, "policies.dev.root: expected 64" },
	{ "\"min_svn\":2", "\"min_svn\":4294967296",
	  4, "policies.dev.min_svn: expected" },
	{ "\"min_svn\":2", "\"gpus\":{}",
	  4, "policies.dev.gpus: no such member" },
	{ "\"debug\":true", "\"debug\":1",
	  4, "policies.dev.debug: expected true or false" },
	/* attestation service */
	{ "{\"policies\":[\"as\",\"dev\"]}", "{}",
	  5, "attestation_service.policies: expected a list of names, found "
	  "nothing" },
	{ "[\"as\",\"dev\"]", "[]",
	  5, "attestation_service.policies: expected" },
	{ "[\"as\",\"dev\"]", "[\"as\",\"as\"]",
	  5, "attestation_service.policies[1]: expected every entry once" },
	{ "[\"as\",\"dev\"]", "[\"as\",\"az\"]",
	  5, "attestation_service.policies[1]: expected the name of a "
	  "policy, found \"az\"" },
	{ "\"attestation_service\":{\"policies\":[\"as\",\"dev\"]},", "",
	  1, "attestation_service: expected an object, found nothing" },
	/* workers */
	{ "[\"h100\"],\"models\"", "[],\"models\"",
	  6, "workers.llama.policies: expected" },
	{ "\"policies\":[\"h100\"],", "",
	  6, "workers.llama.policies: expected" },
	{ "[\"h100\"],\"models\"", "[\"h200\"],\"models\"",
	  6, "workers.llama.policies[0]: expected the name of a policy, "
	  "found \"h200\"" },
	{ "[\"llama3\"]", "[\"llama4\"]",
	  6, "workers.llama.models[0]: expected the name of a model, found "
	  "\"llama4\"" },
	{ "[\"llama3\"]", "[]", 6, "workers.llama.models: expected" },
	{ "\"sha256:" D32 "\"", "\"sha256:" D48 "\"",
	  6, "workers.llama.images[0]: expected" },
	{ "\"sha256:" D32 "\"", "\"sha512:" D32 "\"",
	  6, "workers.llama.images[0]: expected" },
	{ "\"sha256:" D32 "\"", "\"latest\"",
	  6, "workers.llama.images[0]: expected" },
	{ "\"sha256:" D32 "\"", "\"" D32 "\"",
	  6, "workers.llama.images[0]: expected" },
	{ "\"sha256:" D32 "\"", "\"upstream:\"",
	  6, "workers.llama.images[0]: expected" },
	{ "\"sha256:" D32 "\"", "\"upstream:https://127.0.0.1:9\"",
	  6, "workers.llama.images[0]: expected" },
	{ "\"sha256:" D32 "\"", "\"upstream:127.0.0.1:9\"",
	  6, "workers.llama.images[0]: expected" },
	{ "\"sha256:" D32 "\"", "\"upstream:http://h:9/v1\"",
	  6, "workers.llama.images[0]: expected" },
	{ "\"sha256:" D32 "\"", "\"upstream:http://h:99999\"",
	  6, "workers.llama.images[0]: expected" },
	{ "\"sha256:" D32 "\"", "\"upstream:http://a b:9\"",
	  6, "workers.llama.images[0]: expected" },
	{ "\"sha256:" D32 "\"", "\"any\"",
	  6, "workers.llama.images: expected any to stand alone" },
	{ "[\"openai\",\"anthropic\"]", "[]",
	  6, "workers.llama.adapters: expected" },
	{ "[\"openai\",\"anthropic\"]", "[\"OpenAI\"]",
	  6, "workers.llama.adapters[0]: expected openai, anthropic, triton,"
	  " tgi or raw" },
	{ "\"adapters\":[\"openai\",\"anthropic\"],", "",
	  6, "workers.llama.adapters: expected" },
	{ "\"gvisor\"", "\"runc\"", 6, "workers.llama.runtime: expected" },
	{ "\"gvisor\"", "\"\"", 6, "workers.llama.runtime: expected" },
	{ "\"sealed\"", "\"on\"",
	  6, "workers.llama.logs: expected off, plain or sealed, found "
	  "\"on\"" },
	{ "\"sealed\"", "false", 6, "workers.llama.logs: expected" },
	{ "\"per-key\"", "\"never\"", 6, "workers.llama.cache_salt: expected" },
	{ "\"logs\":\"sealed\"", "\"port\":1",
	  6, "workers.llama.port: no such member" },
	{ "\"/usr/bin/crun\"", "\"usr/bin/crun\"",
	  7, "workers.any.runtime: expected" },
	{ "\"/usr/bin/crun\"", "\"/usr/../crun\"",
	  7, "workers.any.runtime: expected" },
	{ "\"/usr/bin/crun\"", "\"/usr/./crun\"",
	  7, "workers.any.runtime: expected" },
	{ "\"/usr/bin/crun\"", "\"/usr//crun\"",
	  7, "workers.any.runtime: expected" },
	{ "\"/usr/bin/crun\"", "\"/usr/crun/\"",
	  7, "workers.any.runtime: expected" },
	{ "\"/usr/bin/crun\"", "\"/\"", 7, "workers.any.runtime: expected" },
	{ "\"/usr/bin/crun\"", "\"/usr/cr un\"",
	  7, "workers.any.runtime: expected" },
	{ "\"images\":[\"any\"]", "\"images\":[]",
	  7, "workers.any.images: expected" },
	{ "\"any\":{\"policies\"", "\"ANY\":{\"policies\"",
	  7, "workers.ANY: expected a name" },
	/* models */
	{ "\"verity_root\":\"" D32 "\",\"hash\":\"sha256\",\"key\"",
	  "\"hash\":\"sha256\",\"key\"",
	  8, "models.llama3.verity_root: expected 64" },
	{ "\"hash\":\"sha256\",\"key\"", "\"hash\":\"md5\",\"key\"",
	  8, "models.llama3.hash: expected sha256, found \"md5\"" },
	{ "\"hash\":\"sha256\",\"key\"", "\"key\"",
	  8, "models.llama3.hash: expected sha256, found nothing" },
	{ "\"model/llama3\"", "\"model/open\"",
	  8, "models.llama3.key: expected model/" },
	{ "\"model/llama3\"", "\"model/../llama3\"",
	  8, "models.llama3.key: expected model/" },
	{ "\"model/llama3\"", "\"\"", 8, "models.llama3.key: expected model/" },
	/* people */
	{ "\"threshold\":2", "\"threshold\":3",
	  9, "admins.threshold: expected a number from 1 to 2, the number "
	  "of keys, found 3" },
	{ "\"threshold\":2", "\"threshold\":0",
	  9, "admins.threshold: expected" },
	{ ",\"threshold\":2", "", 9, "admins.threshold: expected" },
	{ "{\"keys\":[{\"name\":\"alice\",\"spki_sha256\":\"" D32
	  "\"},{\"name\":\"bob\",\"spki_sha256\":\"" E32 "\"}]",
	  "{\"keys\":[]",
	  9, "admins.keys: expected a list of admins' keys, found an empty "
	  "one" },
	{ "\"bob\",\"spki_sha256\":\"" E32, "\"bob\",\"spki_sha256\":\"" D32,
	  9, "admins.keys[1]: expected every name and key once, found that "
	  "of alice again" },
	{ "\"bob\"", "\"alice\"",
	  9, "admins.keys[1]: expected every name and key once" },
	{ "\"bob\",\"spki_sha256\":\"" E32, "\"bob\",\"spki_sha256\":\"" Z32,
	  9, "admins.keys[1]: expected a key, found zeros" },
	{ "\"bob\",\"spki_sha256\"", "\"bob\",\"key\"",
	  9, "admins.keys[1].key: no such member" },
	{ "\"name\":\"ops\",", "", 10, "operators[0].name: expected" },
	{ "[{\"name\":\"ops\",\"spki_sha256\":\"" D32 "\"}]", "[]",
	  10, "operators: expected" },
	{ "[{\"name\":\"ops\",\"spki_sha256\":\"" D32 "\"}]", "[\"ops\"]",
	  10, "operators[0]: expected an object" },
	{ "\"public_key\":\"" D32, "\"public_key\":\"11",
	  11, "recovery.keys[0].public_key: expected 64" },
	{ "\"public_key\":\"" D32, "\"public_key\":\"" Z32,
	  11, "recovery.keys[0]: expected a key, found zeros" },
	{ "\"threshold\":1", "\"threshold\":2",
	  11, "recovery.threshold: expected a number from 1 to 1" },
	/* secrets, leases */
	{ "[\"team-a\"]", "[]", 12, "secrets.static: expected" },
	{ "[\"team-a\"]", "[\"team a\"]", 12, "secrets.static[0]: expected" },
	{ "\"enabled\":true,", "",
	  12, "secrets.client_exchange.enabled: expected" },
	{ "\"ttl\":1800", "\"ttl\":59",
	  12, "secrets.client_exchange.ttl: expected" },
	{ "\"ttl\":1800", "\"ttl\":86401",
	  12, "secrets.client_exchange.ttl: expected" },
	{ "\"worker\":300", "\"worker\":9",
	  13, "leases.worker: expected seconds from 10 to 86400, found 9" },
	{ "\"worker\":300", "\"worker\":86401", 13, "leases.worker: expected" },
	{ "\"worker\":300", "\"worker\":901",
	  13, "leases.certificate: expected at least leases.worker, 901 "
	  "seconds, found 900" },
	{ "\"certificate\":900", "\"certificate\":604801",
	  13, "leases.certificate: expected" },
};
/* clang-format on */

TEST(every_rule_when_broken_is_refused_with_its_place)
{
	auto_buf struct buf text = buf_make(TEXT_MAX);

	for (size_t i = 0; i < countof(rules); i++) {
		struct manifest *m = NULL;
		char want[300] = "m.json:";
		struct err err = { 0 };

		enum status status = parse(
			change(&text, rules[i].from, rules[i].to), &m, &err);
		if (rules[i].line > 0)
			(void)snprintf(want, sizeof(want), "m.json:%zu: %s",
				       rules[i].line, rules[i].error);
		if (!EXPECT(status == E_CONF) || !EXPECT(m == NULL) ||
		    !EXPECT(strncmp(err.text, want, strlen(want)) == 0))
			printf("\t%s -> %s\n\twant %s\n\tgot  %s\n",
			       rules[i].from, rules[i].to, want, err.text);
		manifest_free(m);
	}
}

TEST(refuses_every_shorter_text)
{
	struct err err;

	for (size_t n = 0; n < sizeof(MINIMAL) - 1; n++) {
		struct manifest *m = NULL;

		CHECK(manifest_parse(slice_make(MINIMAL, n), "m", &m, &err) ==
		      E_CONF);
		CHECK(m == NULL);
	}
}

TEST(refuses_a_manifest_beyond_the_cap)
{
	auto_buf struct buf text = buf_make(2 * MANIFEST_MAX);
	struct manifest *m = NULL;
	struct err err;

	buf_put_str(&text, MINIMAL);
	size_t pad = MANIFEST_MAX - text.len;
	memset(buf_room(&text, pad + 1), ' ', pad + 1);
	buf_grow(&text, pad);
	CHECK(manifest_parse(buf_slice(&text), "m", &m, &err) == OK);
	manifest_free(m);
	m = NULL;
	buf_grow(&text, 1);
	CHECK(manifest_parse(buf_slice(&text), "m", &m, &err) == E_CONF);
	CHECK(m == NULL);
}

TEST(a_list_of_too_many_is_refused)
{
	auto_buf struct buf text = buf_make(MANIFEST_MAX);
	struct manifest *m = NULL;
	struct err err;

	buf_put_str(&text, "{\"version\":1,\"name\":\"t\",\"generation\":1,"
			   "\"policies\":{\"p\":" SIM "},"
			   "\"attestation_service\":{\"policies\":[\"p\"]},"
			   "\"secrets\":{\"static\":[");
	for (int i = 0; i <= MANIFEST_LIST_MAX; i++)
		buf_putf(&text, "%s\"s%d\"", i == 0 ? "" : ",", i);
	buf_put_str(&text, "]}}");
	CHECK(manifest_parse(buf_slice(&text), "m", &m, &err) == E_CONF);
	CHECK(strstr(err.text, "secrets.static: expected at most 1024") !=
	      NULL);
}

/* clang-format off */
#define D16 "11111111111111111111111111111111"
#define WORD "0000000000000003"

/* A member of a policy of hardware that may be left out; as it should be, or
 * how the refusal begins. */
static const struct {
	const char *before, *member, *error;
} members[] = {
#define SNP(m, e) { "\"vmpl\":1", m, e == NULL ? NULL : "policies.as." e }
#define TDX(m, e) { "\"advisories\":[]", m, \
		    e == NULL ? NULL : "policies.h100." e }
#define GOOD(of, m) { of, m, NULL }
	GOOD("\"vmpl\":1", "\"author_key_digests\":[\"" E48 "\"]"),
	SNP("\"author_key_digests\":[]", "author_key_digests: expected"),
	SNP("\"author_key_digests\":[\"" D32 "\"]",
	    "author_key_digests[0]: expected 96"),
	GOOD("\"vmpl\":1", "\"family_ids\":[\"" D16 "\"],\"image_ids\":[\""
	     D16 "\"]"),
	SNP("\"family_ids\":[]", "family_ids: expected"),
	SNP("\"image_ids\":[\"" D32 "\"]", "image_ids[0]: expected 32"),
	GOOD("\"vmpl\":1", "\"denied_chip_ids\":[\"" D64 "\"]"),
	SNP("\"denied_chip_ids\":[]", "denied_chip_ids: expected"),
	GOOD("\"vmpl\":1", "\"csp_ids\":[\"CN=cc.example\"]"),
	SNP("\"csp_ids\":[]", "csp_ids: expected"),
	SNP("\"csp_ids\":[\"\"]", "csp_ids[0]: expected a provider"),
	SNP("\"csp_ids\":[\"\\n\"]", "csp_ids[0]: expected a provider"),
	GOOD("\"vmpl\":1", "\"provisional\":true,\"masked_chip_id\":true,"
	     "\"crl\":true"),
	SNP("\"provisional\":1", "provisional: expected true or false"),
	SNP("\"crl\":\"true\"", "crl: expected true or false"),
	GOOD("\"vmpl\":1", "\"platform\":{\"ecc\":true,\"tsme\":false}"),
	SNP("\"platform\":{\"ecc\":1}", "platform.ecc: expected true or"),
	SNP("\"platform\":{\"eec\":true}", "platform.eec: no such member"),
	SNP("\"platform\":{}", "platform: expected an object with a member"),
	SNP("\"mitigations\":{}", "mitigations: expected an object with"),
	GOOD("\"vmpl\":1", "\"mitigations\":{\"launch\":\"" WORD "\"}"),
	SNP("\"mitigations\":{\"launch\":3}", "mitigations.launch: expected"),
	SNP("\"mitigations\":{\"launch\":\"3\"}",
	    "mitigations.launch: expected"),
	GOOD("\"vmpl\":1", "\"min_firmware\":{\"major\":1,\"minor\":55,"
	     "\"build\":40}"),
	SNP("\"min_firmware\":{\"major\":1,\"minor\":55}",
	    "min_firmware.build: expected"),
	GOOD("\"vmpl\":1", "\"min_report_version\":3,\"min_guest_svn\":7"),
	SNP("\"min_report_version\":1", "min_report_version: expected"),
	SNP("\"min_report_version\":6", "min_report_version: expected"),
	GOOD("\"advisories\":[]", "\"mrconfigid\":[\"" D48 "\"],"
	     "\"mrowner\":[\"" D48 "\"],\"mrownerconfig\":[\"" D48 "\"],"
	     "\"mrservicetd\":[\"" D48 "\"],\"mrseam\":[\"" D48 "\"],"
	     "\"mrsignerseam\":[\"" D48 "\"]"),
	TDX("\"mrconfigid\":[]", "mrconfigid: expected"),
	TDX("\"mrowner\":[]", "mrowner: expected"),
	TDX("\"mrownerconfig\":[\"" D32 "\"]", "mrownerconfig[0]: expected"),
	TDX("\"mrservicetd\":\"" D48 "\"", "mrservicetd: expected"),
	TDX("\"mrseam\":[]", "mrseam: expected"),
	TDX("\"mrsignerseam\":[null]", "mrsignerseam[0]: expected 96"),
	GOOD("\"advisories\":[]", "\"fmspcs\":[\"90c06f000000\"],"
	     "\"platform_ids\":[\"" D16 "\"],\"ppids\":[\"" D16 "\"]"),
	TDX("\"fmspcs\":[\"90C06F000000\"]", "fmspcs[0]: expected 12"),
	TDX("\"platform_ids\":[]", "platform_ids: expected"),
	TDX("\"ppids\":[\"11\"]", "ppids[0]: expected 32"),
	GOOD("\"advisories\":[]", "\"min_evaluation\":17,\"min_tcb_date\":"
	     "\"2026-11-21T09:00:00Z\",\"min_tee_tcb_svn\":\"" D16 "\""),
	TDX("\"min_evaluation\":-1", "min_evaluation: expected"),
	TDX("\"min_tcb_date\":\"2026-11-21\"", "min_tcb_date: expected a time"),
	TDX("\"min_tcb_date\":1790000000", "min_tcb_date: expected a time"),
	TDX("\"min_tee_tcb_svn\":\"05\"", "min_tee_tcb_svn: expected 32"),
	GOOD("\"advisories\":[]", "\"xfam\":\"" WORD "\",\"attributes\":{"
	     "\"debug\":true,\"migratable\":true,\"sept_ve\":true,"
	     "\"perfmon\":false}"),
	TDX("\"xfam\":3", "xfam: expected 16"),
	TDX("\"attributes\":{}", "attributes: expected an object with a"),
	TDX("\"attributes\":{\"tud\":true}", "attributes.tud: no such member"),
	TDX("\"attributes\":{\"debug\":\"on\"}", "attributes.debug: expected"),
	TDX("\"products\":[\"Genoa\"]", "products: no such member"),
};
/* clang-format on */

TEST(members_of_hardware_are_read_strictly)
{
	auto_buf struct buf text = buf_make(TEXT_MAX);

	for (size_t i = 0; i < countof(members); i++) {
		auto_manifest struct manifest *m = NULL;
		auto_buf struct buf to = buf_make(TEXT_MAX);
		struct err err = { 0 };

		buf_putf(&to, "%s,%s", members[i].before, members[i].member);
		(void)parse(change(&text, members[i].before, buf_cstr(&to)), &m,
			    &err);
		bool good = members[i].error == NULL
				    ? EXPECT(err.code == OK)
				    : EXPECT(err.code == E_CONF) &&
					      EXPECT(strstr(err.text,
							    members[i].error) !=
						     NULL) &&
					      EXPECT(m == NULL);
		if (!good)
			printf("\t%s: %s\n", members[i].member, err.text);
	}
}

TEST(bits_and_words_are_kept)
{
	auto_manifest struct manifest *m = NULL;
	auto_buf struct buf text = buf_make(TEXT_MAX);
	struct err err;

	CHECK(parse(change(&text, "\"vmpl\":1",
			   "\"vmpl\":1,\"platform\":{\"ecc\":true,"
			   "\"tsme\":false},\"mitigations\":{\"launch\":"
			   "\"8000000000000003\"}"),
		    &m, &err) == OK);
	const struct manifest_snp *p = &manifest_find_policy(m, S("as"))->snp;
	CHECK(p->platform.set == 4 && p->platform.clear == 2);
	CHECK(p->launch_mitigations == (UINT64_C(1) << 63 | 3));
	CHECK(p->current_mitigations == 0 && p->guest.set == 0);
}

/* ---- What this build can judge ---- */

TEST(this_build_can_judge_every_tee)
{
	auto_manifest struct manifest *m = NULL;
	auto_buf struct buf text = buf_make(TEXT_MAX);
	struct err err;

	CHECK(parse(change(&text, NULL, NULL), &m, &err) == OK);
	CHECK(manifest_check(m, &err) == OK);
}

TEST(warns_of_what_is_allowed_but_unwise)
{
	static const char *const sentences[] = {
		"admins.threshold: the loss of one admin's key",
		"policies.as: SMT is tolerated",
		"policies.as: vmpl is not 0",
		"policies.as: crl: AMD's revocation list is not asked for",
		"policies.dev: the software TEE protects nothing",
		"policies.dev: debug is tolerated",
		"policies.h100: a revoked GPU is tolerated",
		"workers.any: images is any",
		"workers.any: cache_salt is off",
		"recovery: it is not built yet",
		"secrets.client_exchange: it is not built yet",
		"models: disks are not built yet",
		"workers.llama: runtime: only native",
		"workers.llama: logs: sealed is not built yet",
		"workers.llama: adapters: only openai",
		"workers.any: runtime: only native",
		"workers.any: adapters: only openai",
		"workers.llama: cache_salt: only off",
		"models.open: no worker group serves it",
	};
	auto_manifest struct manifest *m = NULL;
	auto_buf struct buf text = buf_make(TEXT_MAX), out = buf_make(TEXT_MAX);
	struct err err;

	CHECK(parse(change(&text, NULL, NULL), &m, &err) == OK);
	manifest_warnings(m, &out);
	for (size_t i = 0; i < countof(sentences); i++)
		if (!EXPECT(slice_search(buf_slice(&out),
					 slice_str(sentences[i])) < out.len))
			printf("\t%s\n", sentences[i]);
	size_t lines = 0;
	for (size_t i = 0; i < out.len; i++)
		lines += buf_slice(&out).p[i] == '\n';
	CHECK_EQ_U64(lines, countof(sentences));
}

TEST(warns_of_a_server_outside_the_sandbox)
{
	static const char *const urls[] = { "http://127.0.0.1:8000",
					    "http://[::1]:80", "unix:/run/m",
					    "http://model.internal" };
	auto_buf struct buf text = buf_make(TEXT_MAX), out = buf_make(TEXT_MAX);
	char image[64];
	struct err err;

	for (size_t i = 0; i < countof(urls); i++) {
		auto_manifest struct manifest *m = NULL;

		(void)snprintf(image, sizeof(image), "\"upstream:%s\"",
			       urls[i]);
		buf_clear(&out);
		CHECK(parse(change(&text, "\"sha256:" D32 "\"", image), &m,
			    &err) == OK);
		manifest_warnings(m, &out);
		CHECK(strstr(buf_cstr(&out),
			     "workers.llama: images has an upstream") != NULL);
		CHECK(strstr(buf_cstr(&out), "workers.any: images has") ==
		      NULL);
	}
}

TEST(warns_of_what_is_missing)
{
	auto_manifest struct manifest *m = NULL;
	auto_buf struct buf out = buf_make(TEXT_MAX);
	struct err err;

	CHECK(parse(MINIMAL, &m, &err) == OK);
	manifest_warnings(m, &out);
	CHECK(strstr(buf_cstr(&out), "admins: there are none") != NULL);
	CHECK(strstr(buf_cstr(&out), "recovery: there are no keys") != NULL);
	CHECK(strstr(buf_cstr(&out), "workers: there are none") != NULL);
}

/* ---- Succession ---- */

TEST(only_the_next_generation_of_the_same_name_follows)
{
	auto_manifest struct manifest *now = NULL, *next = NULL;
	auto_buf struct buf text = buf_make(TEXT_MAX);
	struct err err;

	CHECK(parse(change(&text, NULL, NULL), &now, &err) == OK);
	CHECK(parse(change(&text, "\"generation\":7", "\"generation\":8"),
		    &next, &err) == OK);
	CHECK(manifest_follows(now, next, &err) == OK);
	CHECK(manifest_follows(next, now, &err) == E_CONF);
	CHECK(manifest_follows(now, now, &err) == E_CONF);
	next->generation = 9;
	CHECK(manifest_follows(now, next, &err) == E_CONF);
	next->generation = 8;
	next->name[0] = 'x';
	CHECK(manifest_follows(now, next, &err) == E_CONF);
}

TEST(the_chain_head_is_the_hash_of_what_came_before)
{
	struct manifest_chain c = { 0 }, d = { 0 };
	uint8_t first[32], second[32], text[24 + 64];
	uint8_t want[32];

	memset(first, 1, 32);
	memset(second, 2, 32);
	memcpy(text, "confd-manifest-chain-v1", 24); /* with its NUL */
	memcpy(text + 24, first, 32);
	manifest_chain_add(&c, first);
	sha256(slice_make(text, 24 + 32), want);
	CHECK(c.length == 1 && memcmp(c.head, want, 32) == 0);
	memcpy(text + 24, want, 32);
	memcpy(text + 24 + 32, second, 32);
	manifest_chain_add(&c, second);
	sha256(slice_of(text), want);
	CHECK(c.length == 2 && memcmp(c.head, want, 32) == 0);
	manifest_chain_add(&d, second);
	manifest_chain_add(&d, first);
	CHECK(memcmp(c.head, d.head, 32) != 0);
}
