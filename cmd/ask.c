#include "cmd/ask.h"

#include "core/cleanup.h"
#include "core/file.h"
#include "core/log.h"

#define ROOTS_MAX (64u << 10) /* bytes of --trust-root */

/* The outcome of reading what the command line names. */
static enum status named(enum status st, struct err *err)
{
	if (st == E_NOTFOUND)
		err->code = E_IO;
	if (st == E_LIMIT)
		err->code = E_CONF;
	return st == OK ? OK : err->code;
}

enum status ask_read(const char *path, struct buf *out, struct err *err)
{
	return named(file_read(path, out, err), err);
}

enum status ask_load_manifest(const char *path, struct manifest **out,
			      struct err *err)
{
	auto_buf struct buf text = buf_make(MANIFEST_MAX);

	TRY(ask_read(path, &text, err));
	return manifest_parse(buf_slice(&text), path, out, err);
}

enum status ask_load_roots(const char *path, struct tee_roots *out,
			   struct err *err)
{
	auto_buf struct buf pem = buf_make(ROOTS_MAX);

	if (path == NULL) {
		out->n = 0;
		return OK;
	}
	TRY(ask_read(path, &pem, err));
	if (tee_roots_parse(buf_slice(&pem), out, err) != OK)
		return err_wrap(err, "--trust-root %s", path);
	log_warn("trust-root", LOG_CSTR("warning", tee_roots_warning));
	return OK;
}

#define ANSWER_MS 60000

void ask_refused(struct err *err)
{
	if (err->code == E_PARSE || err->code == E_LIMIT)
		err->code = E_CRYPTO;
}

static void verified(void *ctx, const struct err *err)
{
	struct ask *a = ctx;

	a->err = *err;
	a->done = true;
	loop_stop(a->loop);
}

/* However slowly its bytes drip in. */
static void late(void *ctx)
{
	struct ask *a = ctx;

	(void)err_set(&a->err, E_UNAVAIL,
		      "the attestation service did not answer whole within "
		      "%d s",
		      ANSWER_MS / 1000);
	a->done = true;
}

/* Let the loop run until the answer is there. */
static enum status wait(struct ask *a, struct err *err)
{
	while (!a->done)
		loop_run_once(a->loop, -1);
	a->done = false;
	*err = a->err;
	return err->code;
}

static enum status load(const struct ask_opts *o, struct ask *a,
			struct err *err)
{
	if ((o->cert == NULL) != (o->key == NULL))
		return err_set(err, E_USAGE,
			       "--cert and --key go together: one is missing");
	if (o->cert != NULL)
		TRY(named(identity_load(o->cert, o->key, &a->identity, err),
			  err));
	if (o->manifest != NULL)
		TRY(ask_load_manifest(o->manifest, &a->manifest, err));
	return OK;
}

enum status ask_open(const struct ask_opts *o, enum peer_expect expect,
		     struct ask *a, struct err *err)
{
	struct tee_roots trust;
	struct peer_settings s = { .expect = expect, .trust = &trust };

	*a = (struct ask){ 0 };
	TRY(addr_parse(o->as, ASK_PORT, &s.to, err));
	TRY(load(o, a, err));
	if (o->roots != NULL)
		trust = *o->roots;
	else
		TRY(ask_load_roots(o->trust_root, &trust, err));
	s.at = o->at;
	s.manifest = a->manifest;
	s.cert = a->identity.cert;
	s.key = a->identity.key;
	TRY(loop_new(&a->loop, err));
	a->deadline = loop_timer_new(a->loop, late, a);
	TRY(peer_open(a->loop, &s, verified, a, &a->peer, err));
	if (wait(a, err) != OK)
		ask_refused(err);
	return err->code;
}

void ask_done(struct ask *a)
{
	peer_free(a->peer);
	loop_timer_free(a->deadline);
	manifest_free(a->manifest);
	identity_done(&a->identity);
	loop_free(a->loop);
	*a = (struct ask){ 0 };
}

static void answered(void *ctx, const struct err *err, unsigned status,
		     struct slice body)
{
	struct ask *a = ctx;

	a->err = *err;
	a->status = status;
	if (err->code == OK)
		buf_put(a->body, body);
	a->done = true;
	loop_stop(a->loop);
}

enum status ask_call(struct ask *a, const char *method, const char *target,
		     struct slice body, struct buf *out, struct err *err)
{
	auto_buf struct buf answer = buf_make(out->max);

	a->body = &answer;
	peer_call(a->peer, method, target,
		  body.len > 0 ? "application/json" : NULL, body, out->max,
		  answered, a);
	loop_timer_arm(a->deadline, ANSWER_MS);
	enum status st = wait(a, err);
	loop_timer_disarm(a->deadline);
	TRY(st);
	TRY(peer_refusal(target, a->status, buf_slice(&answer), err));
	buf_put(out, buf_slice(&answer));
	return buf_check(out, "answer", err);
}

enum status ask_manifest(const struct ask_opts *o, struct buf *out,
			 struct err *err)
{
	auto_ask struct ask a = { 0 };

	TRY(ask_open(o, o->manifest != NULL ? PEER_PINNED : PEER_SERVED, &a,
		     err));
	buf_put(out, buf_slice(&peer_manifest(a.peer)->text));
	return buf_check(out, "manifest", err);
}
