#include "test/attest/as_world.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "attest/judge.h"
#include "attest/keeper.h"
#include "attest/service.h"
#include "attest/verifier.h"
#include "core/cleanup.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/hpke.h"
#include "core/io/chan.h"
#include "core/io/conn.h"
#include "core/json.h"
#include "core/log.h"
#include "core/text.h"
#include "proxy/ohttp.h"

#define ANSWER_MS 8000

const struct vault_groups as_world_groups = {
	.keypair = ohttp_key_from_ikm,
	.put_config = ohttp_keys_put,
};

static void must(enum status status, const struct err *err)
{
	if (status == OK)
		return;
	(void)fprintf(stderr, "as_world: %s\n", err->text);
	abort();
}

/* ---- the roles ---------------------------------------------------------- */

static enum status no_walls(const struct keeper_settings *s, const char *folder,
			    struct err *err)
{
	(void)s;
	(void)folder;
	(void)err;
	return OK;
}

static enum status no_wall(struct err *err)
{
	(void)err;
	return OK;
}

static void tell_ready(const struct addr *at)
{
	char text[ADDR_TEXT_SIZE];

	addr_text(at, text);
	(void)!write(5, text, strlen(text));
	(void)close(5);
}

/* The roots for tests, as 64 hex digits. */
static enum status read_trust(struct tee_roots *out, struct err *err)
{
	const char *hex = getenv("AS_WORLD_TRUST");

	if (hex == NULL)
		return OK;
	out->n = 1;
	return text_unhex(slice_str(hex), out->spki[0], 32, "trust", err);
}

static enum status run_role(const char *role, struct err *err)
{
	struct tee_roots trust = { 0 };
	const struct keeper_settings keeper = {
		.groups = as_world_groups,
		.tee = { .sim_root = getenv("AS_WORLD_ROOT") },
		.tee_name = "sim",
		.trust = &trust,
		.store = getenv("AS_WORLD_STORE"),
		.net = 3,
		.judge = 4,
		.confine = no_walls,
	};
	const struct service_settings service = {
		.keeper = 3,
		.listener = 4,
		.drain_ms = 1000,
		.confine = no_wall,
		.ready = tell_ready,
	};

	TRY(crypto_setup(err));
	TRY(read_trust(&trust, err));
	if (strcmp(role, "keeper") == 0)
		return keeper_run(&keeper, err);
	if (strcmp(role, "judge") == 0)
		return judge_run(3, err);
	return service_run(&service, err);
}

/* The test program is the roles, too: it is executed again for each. */
__attribute__((constructor)) static void be_a_role(void)
{
	const char *role = getenv("AS_WORLD_ROLE");
	struct err err = { 0 };

	if (role == NULL)
		return;
	if (getenv("AS_WORLD_LOG") == NULL)
		(void)close(STDERR_FILENO);
	log_setup(LOG_INFO, false, role);
	_exit(run_role(role, &err) == OK ? 0 : 1);
}

static void on_exit_of(void *ctx, int status)
{
	(void)ctx;
	(void)status;
}

struct proc *as_world_role(struct as_world *w, const char *role,
			   const char *store, const int *fds, size_t n)
{
	char role_env[64], store_env[4300], root_env[4300];
	char trust[65], trust_env[128];
	const char *const argv[] = { "role", NULL };
	const char *const env[] = {
		role_env,
		store_env,
		root_env,
		w->trust != NULL ? trust_env : "AS_WORLD_NONE=",
		getenv("AS_WORLD_LOG") != NULL ? "AS_WORLD_LOG=1" : NULL,
		NULL
	};
	struct proc_spec spec = { .argv = argv,
				  .env = env,
				  .n_fds = n,
				  .out_fd = -1,
				  .err_fd = -1,
				  .new_group = true };
	struct proc *p = NULL;
	struct err err;

	(void)snprintf(role_env, sizeof(role_env), "AS_WORLD_ROLE=%s", role);
	(void)snprintf(store_env, sizeof(store_env), "AS_WORLD_STORE=%s",
		       store);
	(void)snprintf(root_env, sizeof(root_env), "AS_WORLD_ROOT=%s",
		       w->root_path);
	if (w->trust != NULL)
		text_hex_into(trust, sizeof(trust), slice_make(w->trust, 32));
	(void)snprintf(trust_env, sizeof(trust_env), "AS_WORLD_TRUST=%s",
		       w->trust != NULL ? trust : "");
	memcpy(spec.fds, fds, n * sizeof(int));
	must(proc_start(w->loop, &spec, on_exit_of, w, &p, &err), &err);
	return p;
}

/* Waits for net's word; at becomes the address. */
static bool hear_ready(struct as_world *w, int fd)
{
	char text[ADDR_TEXT_SIZE] = "";
	struct err err;

	if (!EXPECT(read(fd, text, sizeof(text) - 1) > 0))
		return false;
	return EXPECT(addr_parse(text, 0, &w->at, &err) == OK);
}

bool as_world_start(struct as_world *w, const char *store)
{
	struct addr any = { .host = "127.0.0.1" };
	int net[2], judge[2], ready[2], listener;
	struct err err;

	must(listener_bind(&any, NULL, &listener, &err), &err);
	must(chan_pair(net, &err), &err);
	must(chan_pair(judge, &err), &err);
	must(chan_pair(ready, &err), &err);
	const int net_fds[] = { net[0], listener, ready[1] };
	const int keeper_fds[] = { net[1], judge[0] };
	w->proc[0] = as_world_role(w, "net", "-", net_fds, 3);
	w->proc[1] = as_world_role(w, "keeper", store, keeper_fds, 2);
	w->proc[2] = as_world_role(w, "judge", "-", &judge[1], 1);

	const int all[] = { net[0],   net[1],	judge[0],
			    judge[1], listener, ready[1] };
	for (size_t i = 0; i < countof(all); i++)
		(void)close(all[i]);
	auto_fd int from = ready[0];
	return hear_ready(w, from);
}

/* ---- the world ---------------------------------------------------------- */

static void put_policy(struct as_world *w, const char *name, uint8_t flip)
{
	uint8_t measurement[SIM_MEASUREMENT_LEN];
	uint8_t root[32];
	struct err err;

	memcpy(measurement, w->options.measurement, sizeof(measurement));
	measurement[0] ^= flip;
	must(sim_root_digest(buf_slice(&w->root), root, &err), &err);
	buf_putf(&w->manifest_text, "\"%s\":{\"tee\":\"sim\",\"root\":\"",
		 name);
	text_hex(&w->manifest_text, slice_of(root));
	buf_put_str(&w->manifest_text, "\",\"measurements\":[\"");
	text_hex(&w->manifest_text, slice_of(measurement));
	buf_put_str(&w->manifest_text, "\"]}");
}

/* hardware: NULL, or one policy more and a group for it. */
static void make_manifest(struct as_world *w, const char *hardware)
{
	struct buf *b = &w->manifest_text;
	struct err err;

	manifest_free(w->manifest);
	buf_clear(b);

	buf_put_str(b, "{\"version\":1,\"name\":\"test\",\"generation\":1,"
		       "\"policies\":{");
	put_policy(w, "p", 0);
	buf_put_str(b, ",");
	put_policy(w, "q", 1);
	if (hardware != NULL)
		buf_putf(b, ",\"hardware\":%s", hardware);
	buf_put_str(b, "},\"attestation_service\":{\"policies\":[\"p\"]},"
		       "\"workers\":{\"llama\":{\"policies\":[\"p\"],"
		       "\"adapters\":[\"openai\"]},"
		       "\"other\":{\"policies\":[\"q\"],"
		       "\"adapters\":[\"openai\"]}");
	if (hardware != NULL)
		buf_put_str(b, ",\"hardware\":{\"policies\":[\"hardware\"],"
			       "\"adapters\":[\"openai\"]}");
	buf_put_str(b, "},"
		       "\"operators\":[{\"name\":\"ops\",\"spki_sha256\":\"");
	text_hex(b, slice_of(w->spki));
	buf_put_str(b, "\"}],\"secrets\":{\"static\":[\"team-a\"]},"
		       "\"leases\":{\"worker\":10,\"certificate\":60}}");
	must(manifest_parse(buf_slice(b), "test", &w->manifest, &err), &err);
}

static void make_keys(struct as_world *w)
{
	auto_keyset_worker struct keyset_worker k;
	uint8_t ikm[32];
	struct err err;

	crypto_random(ikm, sizeof(ikm));
	keyset_worker_init(&k);
	hpke_derive_keypair(slice_of(ikm), w->priv, k.hpke);
	k.tls = buf_make(KEYSET_CERT_MAX);
	buf_put(&k.tls, x509_spki(w->me.cert));
	must(keyset_worker_write(&k, &w->keys, &err), &err);
}

/* Making P-384 keys takes time: one root serves all tests. */
static struct slice shared_root(void)
{
	static struct buf root;
	struct err err;

	if (root.len == 0) {
		root = buf_make(16384);
		must(sim_root_new(clock_wall() - 60, &root, &err), &err);
	}
	return buf_slice(&root);
}

/* Hashing this program takes time, too. */
static const uint8_t *measure_self(void)
{
	static uint8_t measurement[SIM_MEASUREMENT_LEN];
	static bool done;
	struct err err;

	if (!done)
		must(sim_measure_self(measurement, &err), &err);
	done = true;
	return measurement;
}

void as_world_init(struct as_world *w)
{
	int64_t now = clock_wall();
	struct err err;

	*w = (struct as_world){ .root = buf_make(16384),
				.manifest_text = buf_make(MANIFEST_MAX),
				.keys = buf_make(KEYSET_MAX),
				.body = buf_make(4u << 20) };
	must(loop_new(&w->loop, &err), &err);
	buf_put(&w->root, shared_root());
	(void)snprintf(w->root_path, sizeof(w->root_path), "%s/root.pem",
		       test_dir());
	must(file_write(w->root_path, buf_slice(&w->root), 0600, &err), &err);
	w->options.svn = SIM_SVN;
	w->options.not_before = now - 60;
	w->options.not_after = now + 3600;
	memcpy(w->options.measurement, measure_self(), SIM_MEASUREMENT_LEN);
	must(identity_new("worker", 1, &w->me, &err), &err);
	x509_spki_sha256(w->me.cert, w->spki);
	make_keys(w);
	make_manifest(w, NULL);
}

void as_world_hardware(struct as_world *w, const char *policy)
{
	make_manifest(w, policy);
}

void as_world_done(struct as_world *w)
{
	for (size_t i = 0; i < countof(w->proc); i++)
		proc_free(w->proc[i]);
	buf_done(&w->root);
	buf_done(&w->manifest_text);
	buf_done(&w->keys);
	buf_done(&w->body);
	manifest_free(w->manifest);
	identity_done(&w->me);
	loop_free(w->loop);
}

/* ---- asking ------------------------------------------------------------- */

struct http_client *as_world_connect(struct as_world *w, bool anonymous)
{
	struct tls_settings t = { .any_name = true };
	struct http_client_settings set = { .to = w->at, .head_ms = ANSWER_MS };
	struct http_client *c = NULL;
	struct err err;

	if (!anonymous) {
		t.chain[0] = x509_der(w->me.cert);
		t.n_chain = 1;
		t.key = w->me.key;
	}
	set.to.tls = true;
	must(tls_new(&t, &set.tls, &err), &err);
	must(http_client_new(w->loop, &set, &c, &err), &err);
	tls_unref(set.tls);
	return c;
}

static void copy_header(const struct http_head *head, const char *name,
			char *to, size_t size)
{
	struct slice value = http_head_get(head, name);

	(void)snprintf(to, size, "%.*s", SLICE_FMT(value));
}

static void on_head(void *ctx, const struct http_head *head)
{
	struct as_world *w = ctx;

	w->status = head->status;
	copy_header(head, "allow", w->allow, sizeof(w->allow));
	copy_header(head, "content-type", w->type, sizeof(w->type));
}

static void on_body(void *ctx, struct slice part)
{
	struct as_world *w = ctx;

	buf_put(&w->body, part);
}

static void on_end(void *ctx)
{
	struct as_world *w = ctx;

	w->err.code = OK;
	w->done = true;
}

static void on_failed(void *ctx, const struct err *why, bool sent)
{
	struct as_world *w = ctx;

	(void)sent;
	w->err = *why;
	w->status = 0;
	w->done = true;
}

static const struct http_client_events answering = {
	.head = on_head,
	.body = on_body,
	.end = on_end,
	.failed = on_failed,
};

void as_world_wait(struct as_world *w)
{
	int64_t until = clock_mono_ms() + ANSWER_MS;

	while (!w->done && clock_mono_ms() < until)
		loop_run_once(w->loop, 20);
	if (!EXPECT(w->done))
		abort(); /* it would be told of an answer that is gone */
}

static bool begin(struct as_world *w, struct http_client *c, const char *method,
		  const char *target, const char *type, struct slice body)
{
	const struct http_header header = { S("Content-Type"),
					    slice_str(type) };

	w->done = false;
	w->status = 0;
	w->allow[0] = w->type[0] = '\0';
	buf_clear(&w->body);
	if (http_client_begin(c, method, slice_str(target), &header,
			      type != NULL, body.len, &answering, w,
			      &w->err) != OK)
		return false;
	http_client_body(c, body);
	http_client_body_end(c);
	return true;
}

void as_world_begin(struct as_world *w, struct http_client *c,
		    const char *method, const char *target, struct slice body)
{
	EXPECT(begin(w, c, method, target, "application/json", body));
}

unsigned as_world_ask_as(struct as_world *w, struct http_client *c,
			 const char *method, const char *target,
			 const char *type, struct slice body)
{
	if (!begin(w, c, method, target, type, body))
		return 0;
	as_world_wait(w);
	return w->status;
}

unsigned as_world_ask(struct as_world *w, struct http_client *c,
		      const char *method, const char *target, struct slice body)
{
	return as_world_ask_as(w, c, method, target,
			       body.len > 0 ? "application/json" : NULL, body);
}

bool as_world_refused(const struct as_world *w, unsigned status,
		      const char *name)
{
	auto_json struct json *root = NULL;
	struct slice type = { 0 };
	char want[64];
	struct err err;

	(void)snprintf(want, sizeof(want), "urn:confd:error:%s", name);
	if (w->status != status)
		printf("status %u, body %.*s\n", w->status,
		       SLICE_FMT(buf_slice(&w->body)));
	return EXPECT(w->status == status) &&
	       EXPECT(json_parse(buf_slice(&w->body), &root, &err) == OK) &&
	       EXPECT(json_want_str(root, "type", &type, &err) == OK) &&
	       EXPECT(slice_eq_str(type, want));
}

void as_world_seal(const uint8_t pub[static 32], const uint8_t *digest,
		   const char *json, struct buf *out)
{
	struct err err;

	must(hpke_seal_to(pub, S(VAULT_INIT_INFO), slice_make(digest, 32),
			  slice_str(json), out, &err),
	     &err);
}

bool as_world_hpke(struct as_world *w, struct http_client *c,
		   uint8_t out[static 32])
{
	auto_json struct json *root = NULL;
	auto_keyset_as struct keyset_as k;
	auto_buf struct buf body = buf_make(128);
	struct slice keys;
	struct err err;

	keyset_as_init(&k);
	buf_putf(&body, "{\"nonce\":\"%064d\"}", 0);
	if (!EXPECT(as_world_ask(w, c, "POST", "/v1/attest",
				 buf_slice(&body)) == 200) ||
	    !EXPECT(json_parse(buf_slice(&w->body), &root, &err) == OK) ||
	    !EXPECT(json_want_str(root, "keys", &keys, &err) == OK) ||
	    !EXPECT(keyset_as_parse(keys, &k, &err) == OK))
		return false;
	memcpy(out, k.hpke, 32);
	return true;
}

unsigned as_world_set(struct as_world *w, struct http_client *c)
{
	auto_buf struct buf sealed = buf_make(65536);
	auto_buf struct buf secrets = buf_make(4096);
	auto_buf struct buf body = buf_make(1u << 20);
	struct json_out out = { .buf = &body }, s = { .buf = &secrets };
	uint8_t pub[32];

	if (!as_world_hpke(w, c, pub))
		return 0;
	json_open_object(&s, NULL);
	json_put_base64(&s, "team-a", S(AS_SECRET));
	json_close_object(&s);
	as_world_seal(pub, w->manifest->digest, buf_cstr(&secrets), &sealed);
	json_open_object(&out, NULL);
	json_put_base64(&out, "manifest", buf_slice(&w->manifest_text));
	json_put_base64(&out, "secrets", buf_slice(&sealed));
	json_close_object(&out);
	return as_world_ask(w, c, "POST", "/v1/init", buf_slice(&body));
}

/* ---- registering -------------------------------------------------------- */

static bool take_nonce(struct as_world *w, struct http_client *c,
		       uint8_t out[static 32])
{
	auto_json struct json *root = NULL;
	struct err err;

	return EXPECT(as_world_ask(w, c, "GET", "/v1/nonce", S("")) == 200) &&
	       EXPECT(json_parse(buf_slice(&w->body), &root, &err) == OK) &&
	       EXPECT(json_want_hex(root, "nonce", out, 32, &err) == OK);
}

bool as_world_attempt(struct as_world *w, struct http_client *c,
		      struct attempt *a)
{
	struct statement *s = &a->statement;
	struct err err;

	*a = (struct attempt){ .options = w->options,
			       .root = buf_slice(&w->root),
			       .group = "llama",
			       .name = "worker-1",
			       .keys = buf_slice(&w->keys) };
	if (!take_nonce(w, c, a->nonce))
		return false;
	s->purpose = PURPOSE_WORKER;
	s->has_exporter = s->has_manifest = true;
	memcpy(s->nonce, a->nonce, 32);
	memcpy(s->spki, w->spki, 32);
	memcpy(s->manifest, w->manifest->digest, 32);
	keyset_digest(a->keys, s->keys);
	return EXPECT(
		conn_exporter(http_client_conn(c), STATEMENT_EXPORTER_LABEL,
			      slice_of(a->nonce), s->exporter, 32, &err) == OK);
}

void as_world_bundle(const struct attempt *a, struct buf *out)
{
	auto_sim_device struct sim_device *device = NULL;
	auto_evidence struct evidence e;
	uint8_t report_data[STATEMENT_REPORT_DATA_LEN];
	struct err err;

	evidence_init(&e);
	e.statement = buf_make(STATEMENT_MAX);
	must(sim_device_new(a->root, &a->options, &device, &err), &err);
	must(statement_write(&a->statement, &e.statement, &err), &err);
	statement_report_data(buf_slice(&e.statement), report_data);
	must(sim_device_issue(device, report_data, &e, &err), &err);
	must(evidence_set_tee(&e, "sim", &err), &err);
	must(evidence_write(&e, out, &err), &err);
}

unsigned as_world_post(struct as_world *w, struct http_client *c,
		       const struct attempt *a, struct slice bundle)
{
	auto_buf struct buf body = buf_make(1u << 20);
	struct json_out out = { .buf = &body };

	json_open_object(&out, NULL);
	json_put_cstr(&out, "group", a->group);
	json_put_cstr(&out, "name", a->name);
	json_put_hex(&out, "nonce", slice_of(a->nonce));
	json_put_str(&out, "keys", a->keys);
	json_put_raw(&out, "bundle", bundle);
	json_close_object(&out);
	return as_world_ask(w, c, "POST",
			    a->renew ? "/v1/workers/renew" : "/v1/workers",
			    buf_slice(&body));
}

unsigned as_world_send(struct as_world *w, struct http_client *c,
		       const struct attempt *a)
{
	auto_buf struct buf bundle = buf_make(EVIDENCE_MAX);

	as_world_bundle(a, &bundle);
	return as_world_post(w, c, a, buf_slice(&bundle));
}

struct verdict *as_world_verdict(struct as_world *w, enum purpose purpose,
				 struct slice keys, const char *group)
{
	auto_buf struct buf bundle = buf_make(EVIDENCE_MAX);
	auto_trace struct trace trace;
	struct attempt a = { .options = w->options,
			     .root = buf_slice(&w->root) };
	struct statement *s = &a.statement;
	struct verdict *v = NULL;
	struct claims claims;
	struct err err;

	*s = (struct statement){ .purpose = purpose,
				 .has_exporter = true,
				 .has_manifest = true };
	memcpy(s->spki, w->spki, 32);
	memcpy(s->manifest, w->manifest->digest, 32);
	keyset_digest(keys, s->keys);
	as_world_bundle(&a, &bundle);
	trace_init(&trace);
	const struct verifier_case c = {
		.bundle = buf_slice(&bundle),
		.purpose = purpose,
		.nonce = expect_bytes(s->nonce),
		.exporter = expect_bytes(s->exporter),
		.spki = expect_bytes(s->spki),
		.keys = expect_bytes(s->keys),
		.manifest = expect_bytes(s->manifest),
		.by = w->manifest,
		.policies = &manifest_find_worker(w->manifest, slice_str(group))
				     ->policies,
		.now = clock_wall(),
	};
	must(verifier_judge(&c, &trace, &claims, &v, &err), &err);
	return v;
}
