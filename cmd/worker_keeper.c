#include "cmd/worker_keeper.h"

#include <fcntl.h>
#include <signal.h>

#include "attest/keyset.h"
#include "attest/manifest.h"
#include "attest/vault.h"
#include "cmd/ask.h"
#include "cmd/crew.h"
#include "cmd/worker_net.h"
#include "cmd/workloads.h"
#include "core/cleanup.h"
#include "core/clock.h"
#include "core/hpke.h"
#include "core/identity.h"
#include "core/io/chan.h"
#include "core/io/conn.h"
#include "core/keybox.h"
#include "core/log.h"
#include "proxy/messages.h"
#include "sandbox/confine.h"

#define CERT_DAYS 3650
#define CHAIN_MAX 4
#define NET_STOP_MS 3000

struct keeper {
	const struct worker_settings *set;
	struct loop *loop;
	struct crew *crew;
	struct chan *net;
	struct workloads *workloads;
	struct tee_device *tee;
	struct identity identity;
	uint8_t spki[32];    /* of the identity */
	struct secret *hpke; /* private key that secrets are sealed to */
	struct buf keys;     /* our key set, exact text */
	struct manifest *pin;

	/* The evidence issued last: what the next secrets are bound to. */
	bool issued;
	int64_t issued_at; /* clock_mono_ms */
	uint8_t statement[32];
	uint8_t judged_by[32]; /* digest of the manifest that it names */

	/* The lease. */
	struct manifest *manifest; /* NULL: there was none yet */
	struct loop_timer *lease_end;

	bool ready;
	bool stopping;
	char address[ADDR_TEXT_SIZE];
	struct err end;
};

/* ---- evidence ----------------------------------------------------------- */

static enum status read_want(struct keeper *k, struct slice body,
			     struct statement *s, struct err *err)
{
	struct cursor in = cursor_make(body);
	struct slice nonce = cursor_bytes(&in, 32);
	struct slice exporter = cursor_bytes(&in, 32);
	struct slice spki = cursor_bytes(&in, 32);
	struct slice manifest = cursor_bytes(&in, 32);

	TRY(cursor_end(&in, "request for evidence", err));
	if (!slice_eq(spki, slice_of(k->spki)))
		return err_set(err, E_POLICY,
			       "evidence was asked for a key that is not ours");
	if (k->pin != NULL && !slice_eq(manifest, slice_of(k->pin->digest)))
		return err_set(err, E_POLICY,
			       "evidence was asked under another manifest than "
			       "the pinned one");
	*s = (struct statement){ .purpose = PURPOSE_WORKER,
				 .has_exporter = true,
				 .has_manifest = true };
	memcpy(s->nonce, nonce.p, 32);
	memcpy(s->exporter, exporter.p, 32);
	memcpy(s->spki, spki.p, 32);
	memcpy(s->manifest, manifest.p, 32);
	keyset_digest(buf_slice(&k->keys), s->keys);
	return OK;
}

static enum status issue(struct keeper *k, struct slice body, struct buf *out,
			 struct err *err)
{
	auto_buf struct buf bundle = buf_make(EVIDENCE_MAX);
	auto_buf struct buf text = buf_make(STATEMENT_MAX);
	struct statement s;

	k->issued = false;
	TRY(read_want(k, body, &s, err));
	TRY(statement_write(&s, &text, err));
	k->issued_at = clock_mono_ms();
	TRY(tee_device_attest(k->tee, &s, &bundle, err));
	sha256(buf_slice(&text), k->statement);
	memcpy(k->judged_by, s.manifest, 32);
	k->issued = true;
	buf_put_u8(out, OK);
	buf_put_field(out, buf_slice(&bundle));
	buf_put_field(out, buf_slice(&k->keys));
	return buf_check(out, "evidence", err);
}

static void on_want(void *ctx, struct slice body, int fd)
{
	struct keeper *k = ctx;
	auto_buf struct buf out = buf_make(WORKER_MESSAGE_MAX);
	struct err err = { 0 };

	(void)fd;
	if (issue(k, body, &out, &err) != OK) {
		log_error("evidence", LOG_ERR(&err));
		buf_clear(&out);
		buf_put_u8(&out, (uint8_t)err.code);
		buf_put_field(&out, slice_str(err.text));
	}
	chan_send(k->net, WORKER_EVIDENCE, buf_slice(&out), -1);
}

/* ---- the lease ---------------------------------------------------------- */

/* WORKER_LEASED, borrowed. */
struct offer {
	uint64_t seconds;
	struct slice certs, sealed, manifest;
};

static enum status read_offer(struct slice body, struct offer *o,
			      struct err *err)
{
	struct cursor in = cursor_make(body);

	o->seconds = cursor_u64be(&in);
	o->certs = cursor_field(&in);
	o->sealed = cursor_field(&in);
	o->manifest = cursor_field(&in);
	return cursor_end(&in, "lease", err);
}

/* The leaf must be for our key; who signed it, net has verified. */
static enum status check_certs(const struct keeper *k, struct slice pem,
			       struct err *err)
{
	struct x509 *chain[CHAIN_MAX] = { NULL };
	uint8_t spki[32] = { 0 };
	size_t n = 0;

	TRY(x509_parse_chain(pem, chain, CHAIN_MAX, &n, err));
	if (n > 0)
		x509_spki_sha256(chain[0], spki);
	for (size_t i = 0; i < n; i++)
		x509_free(chain[i]);
	if (memcmp(spki, k->spki, sizeof(spki)) != 0)
		return err_set(err, E_CRYPTO,
			       "the certificate is for another key");
	return OK;
}

/* The manifest that the evidence named; the service seals to nothing else. */
static enum status check_manifest(const struct keeper *k, const struct offer *o,
				  struct manifest **out, struct err *err)
{
	auto_manifest struct manifest *m = NULL;

	TRY(manifest_parse(o->manifest, "manifest in force", &m, err));
	if (memcmp(m->digest, k->judged_by, 32) != 0)
		return err_set(err, E_CRYPTO,
			       "the manifest is not the one that our evidence "
			       "names");
	if (manifest_find_worker(m, slice_str(k->set->group)) == NULL)
		return err_set(err, E_POLICY,
			       "group '%s' is not in the manifest",
			       k->set->group);
	*out = take(m);
	return OK;
}

/* The body of MSG_KEYS, from what only we can open. */
static enum status open_secrets(const struct keeper *k, struct slice sealed,
				struct buf *out, struct err *err)
{
	auto_secret struct secret *plain = NULL;
	auto_keybox struct keybox *box = NULL;

	TRY(hpke_open_from(secret_slice(k->hpke).p, S(VAULT_SECRETS_INFO),
			   slice_of(k->statement), sealed, &plain, err));
	TRY(keybox_new(&box, err));
	TRY(keybox_read(secret_slice(plain), box, err));
	keybox_write(box, out);
	return buf_check(out, "keys", err);
}

/* The body of MSG_TLS. */
static enum status pack_tls(const struct keeper *k, struct slice certs,
			    struct buf *out, struct err *err)
{
	auto_buf struct buf key = buf_make(8192);

	TRY(keypair_pem(k->identity.key, &key, err));
	buf_put_field(out, certs);
	buf_put_field(out, buf_slice(&key));
	return buf_check(out, "certificate", err);
}

/* Milliseconds from now on: counted from before the service saw our evidence,
 * and never more than the manifest says. */
static int64_t time_left(const struct keeper *k, const struct offer *o,
			 const struct manifest *m)
{
	uint64_t s =
		o->seconds < m->lease_worker ? o->seconds : m->lease_worker;

	return (int64_t)s * 1000 - (clock_mono_ms() - k->issued_at);
}

static void serve(struct keeper *k, const struct offer *o)
{
	auto_buf struct buf out = buf_make(WORKER_MESSAGE_MAX);

	buf_put_field(&out, o->certs);
	buf_put_field(&out, o->manifest);
	chan_send(k->net, WORKER_SERVE, buf_slice(&out), -1);
}

static enum status take_lease(struct keeper *k, const struct offer *o,
			      struct err *err)
{
	auto_manifest struct manifest *m = NULL;
	auto_buf struct buf keys = buf_make(PROXY_KEYS_MAX);
	auto_buf struct buf tls = buf_make(PROXY_TLS_MAX);

	if (!k->issued)
		return err_set(err, E_CONFLICT, "no evidence was given for it");
	k->issued = false;
	TRY(check_manifest(k, o, &m, err));
	TRY(check_certs(k, o->certs, err));
	TRY(open_secrets(k, o->sealed, &keys, err));
	TRY(pack_tls(k, o->certs, &tls, err));
	int64_t ms = time_left(k, o, m);
	if (ms <= 0)
		return err_set(err, E_STALE, "it has ended already");
	TRY(workloads_lease(k->workloads,
			    manifest_find_worker(m, slice_str(k->set->group)),
			    buf_slice(&keys), buf_slice(&tls),
			    clock_wall() + ms / 1000, err));
	loop_timer_arm(k->lease_end, ms);
	log_info("leased", LOG_CSTR("group", k->set->group),
		 LOG_U64("seconds", (uint64_t)ms / 1000),
		 LOG_U64("generation", m->generation));
	manifest_free(k->manifest);
	k->manifest = take(m);
	return OK;
}

static void on_leased(void *ctx, struct slice body, int fd)
{
	struct keeper *k = ctx;
	struct offer o = { 0 };
	struct err err = { 0 };

	(void)fd;
	if (read_offer(body, &o, &err) == OK && take_lease(k, &o, &err) == OK)
		serve(k, &o);
	else
		log_error("lease-refused", LOG_ERR(&err));
}

static void on_lease_end(void *ctx)
{
	struct keeper *k = ctx;

	log_warn("lease-ended",
		 LOG_CSTR("hint", "it could not be renewed in time; keys "
				  "are wiped until it is"));
	workloads_lapse(k->workloads);
	chan_send(k->net, WORKER_LAPSED, S(""), -1);
}

/* ---- workloads ---------------------------------------------------------- */

static void on_outcome(void *ctx, uint32_t id, const struct err *err,
		       struct slice answer)
{
	struct keeper *k = ctx;
	auto_buf struct buf out = buf_make(WORKER_MESSAGE_MAX);

	buf_put_u32be(&out, id);
	buf_put_u8(&out, (uint8_t)err->code);
	if (err->code == OK)
		buf_put(&out, answer);
	else
		buf_put_field(&out, slice_str(err->text));
	if (k->net != NULL)
		chan_send(k->net, WORKER_REPLY, buf_slice(&out), -1);
}

static void on_run(void *ctx, struct slice body, int fd)
{
	struct keeper *k = ctx;
	struct cursor in = cursor_make(body);
	uint32_t id = cursor_u32be(&in);

	(void)fd;
	workloads_run(k->workloads, id, in.rest);
}

static void on_do(void *ctx, struct slice body, int fd)
{
	struct keeper *k = ctx;
	struct cursor in = cursor_make(body);
	uint32_t id = cursor_u32be(&in);
	enum worker_op op = (enum worker_op)cursor_u8(&in);
	uint64_t from = cursor_u64be(&in);
	struct slice name = cursor_field(&in);
	struct err err;

	(void)fd;
	if (cursor_end(&in, "operation", &err) != OK)
		on_outcome(k, id, &err, S(""));
	else
		workloads_do(k->workloads, id, op, name, from);
}

static void on_serving(void *ctx, struct slice body, int fd)
{
	struct keeper *k = ctx;

	(void)body;
	(void)fd;
	if (k->ready)
		return;
	k->ready = true;
	log_info("serving", LOG_CSTR("api", k->address));
	if (crew_ready(k->set->ready_file, "api", k->address, &k->end) != OK)
		crew_stop(k->crew, 0);
}

/* From before the first lease on: net is not there for anything else. */
static void on_refused(void *ctx, struct slice body, int fd)
{
	struct keeper *k = ctx;
	struct cursor in = cursor_make(body);
	enum status code = (enum status)cursor_u8(&in);
	struct slice text = cursor_field(&in);

	(void)fd;
	if (k->manifest != NULL || k->end.code != OK)
		return;
	/* 403 is the service's verdict on us. */
	(void)err_set(&k->end, code == E_CRYPTO ? E_CRYPTO : E_POLICY,
		      "no lease: %.*s", SLICE_FMT(text));
	crew_stop(k->crew, 0);
}

/* ---- starting ----------------------------------------------------------- */

static void on_net_gone(void *ctx, const struct err *why)
{
	struct keeper *k = ctx;

	(void)why; /* its end is told by the crew */
	chan_free(take(k->net));
}

static const struct chan_row net_rows[] = {
	{ WORKER_WANT, 128, 128, false, on_want },
	{ WORKER_LEASED, 20, WORKER_MESSAGE_MAX, false, on_leased },
	{ WORKER_SERVING, 0, 0, false, on_serving },
	{ WORKER_RUN, 4, WORKER_BODY_MAX, false, on_run },
	{ WORKER_DO, 17, 1024, false, on_do },
	{ WORKER_REFUSED, 5, ERR_TEXT_MAX + 16, false, on_refused },
};

static enum status make_keys(struct keeper *k, struct err *err)
{
	auto_secret struct secret *ikm = NULL;
	auto_keyset_worker struct keyset_worker set;

	TRY(identity_new("confd worker", CERT_DAYS, &k->identity, err));
	x509_spki_sha256(k->identity.cert, k->spki);
	TRY(secret_random(32, &ikm, err));
	TRY(secret_new(HPKE_PRIV_LEN, &k->hpke, err));
	keyset_worker_init(&set);
	hpke_derive_keypair(secret_slice(ikm), secret_bytes(k->hpke), set.hpke);
	set.tls = buf_make(KEYSET_CERT_MAX);
	buf_put(&set.tls, x509_spki(k->identity.cert));
	k->keys = buf_make(KEYSET_MAX);
	return keyset_worker_write(&set, &k->keys, err);
}

static enum status send_identity(struct keeper *k, struct err *err)
{
	auto_buf struct buf key = buf_make(8192);
	auto_buf struct buf out = buf_make(WORKER_MESSAGE_MAX);

	TRY(keypair_pem(k->identity.key, &key, err));
	buf_put_field(&out, buf_slice(&key));
	buf_put_field(&out, x509_der(k->identity.cert));
	buf_put_field(&out, k->pin != NULL ? buf_slice(&k->pin->text) : S(""));
	TRY(buf_check(&out, "identity", err));
	chan_send(k->net, WORKER_IDENTITY, buf_slice(&out), -1);
	return OK;
}

static enum status bind_api(struct keeper *k, int *out, struct err *err)
{
	const struct listener_settings set = { 0 };
	auto_fd int fd = -1;
	struct addr at;

	TRY(addr_parse(k->set->api, WORKER_API_PORT, &at, err));
	TRY(listener_bind(&at, &set, &fd, err));
	TRY(listener_bound(fd, &at, err));
	addr_text(&at, k->address);
	*out = take_fd(&fd);
	return OK;
}

static enum status start_net(struct keeper *k, struct err *err)
{
	const char *trust = k->set->trust_root;
	/* Opened here: net is a user who may not have to. */
	auto_fd int roots =
		trust == NULL ? -1 : open(trust, O_RDONLY | O_CLOEXEC);
	if (trust != NULL && roots < 0)
		return err_errno(err, "--trust-root %s", trust);
	const char *args[] = { "--as",
			       k->set->as,
			       "--group",
			       k->set->group,
			       "--name",
			       k->set->name,
			       trust == NULL ? NULL : "--trust-root",
			       WORKER_NET_ROOTS,
			       NULL };
	auto_fd int listener = -1;
	int pair[2];

	TRY(bind_api(k, &listener, err));
	TRY(chan_pair(pair, err));
	auto_fd int ours = pair[0], theirs = pair[1];
	const int fds[] = { theirs, listener, roots };
	const struct crew_role net = { .role = "net",
				       .args = args,
				       .fds = fds,
				       .n_fds = trust == NULL ? 2 : 3 };

	TRY(crew_start(k->crew, &net, err));
	TRY(chan_new(k->loop, ours, net_rows, countof(net_rows), on_net_gone, k,
		     &k->net, err));
	(void)take_fd(&ours);
	return send_identity(k, err);
}

static void on_crew_ended(void *ctx)
{
	struct keeper *k = ctx;

	loop_stop(k->loop);
}

static enum status set_up(struct keeper *k, struct err *err)
{
	const struct worker_settings *s = k->set;
	const struct workloads_settings w = { .drain = s->drain,
					      .reply = on_outcome,
					      .ctx = k };

	/* One of an earlier process says nothing about this one. */
	if (s->ready_file != NULL)
		(void)unlink(s->ready_file);
	TRY(loop_new(&k->loop, err));
	if (s->manifest != NULL)
		TRY(ask_load_manifest(s->manifest, &k->pin, err));
	TRY(tee_device_open(&s->tee_settings, s->tee, &k->tee, err));
	TRY(make_keys(k, err));
	k->workloads = workloads_new(k->loop, &w);
	k->lease_end = loop_timer_new(k->loop, on_lease_end, k);
	TRY(crew_new(k->loop, "worker", on_crew_ended, k, &k->crew, err));
	TRY(start_net(k, err));
	return confine(PROFILE_WORKER_KEEPER, NULL, 0, err);
}

/* ---- running and ending ------------------------------------------------- */

static void on_all_stopped(void *ctx)
{
	struct keeper *k = ctx;

	crew_stop(k->crew, NET_STOP_MS);
}

/* A second signal does not wait for streams. */
static void on_signal(void *ctx)
{
	struct keeper *k = ctx;

	if (k->stopping) {
		crew_stop(k->crew, 0);
		return;
	}
	k->stopping = true;
	crew_not_ready(k->set->ready_file);
	workloads_stop(k->workloads, on_all_stopped, k);
}

static void greet(const struct keeper *k)
{
	const struct tee *tee = tee_device_tee(k->tee);

	if (tee->warning != NULL)
		log_warn("tee", LOG_CSTR("name", tee->name),
			 LOG_CSTR("warning", tee->warning));
}

static void close_all(struct keeper *k)
{
	workloads_free(k->workloads);
	chan_free(k->net);
	crew_free(k->crew);
	if (k->lease_end != NULL)
		loop_timer_free(k->lease_end);
	tee_device_close(k->tee);
	identity_done(&k->identity);
	secret_free(k->hpke);
	buf_done(&k->keys);
	manifest_free(k->pin);
	manifest_free(k->manifest);
	loop_free(k->loop);
}

static enum status run(struct keeper *k, struct err *err)
{
	greet(k);
	struct loop_signal *term =
		loop_signal_new(k->loop, SIGTERM, on_signal, k);
	struct loop_signal *intr =
		loop_signal_new(k->loop, SIGINT, on_signal, k);
	loop_run(k->loop);
	loop_signal_free(term);
	loop_signal_free(intr);
	crew_not_ready(k->set->ready_file);
	*err = k->end.code != OK ? k->end : *crew_end(k->crew);
	return err->code;
}

enum status worker_keeper_run(const struct worker_settings *s, struct err *err)
{
	struct keeper k = { .set = s };
	enum status st = set_up(&k, err);

	if (st == OK)
		st = run(&k, err);
	close_all(&k);
	return st;
}
