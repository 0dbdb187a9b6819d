#include "cmd/fetch.h"

#include "cmd/ask.h"
#include "core/cleanup.h"
#include "core/io/http_client.h"
#include "core/pem.h"

#define CA_MAX (4u << 20)    /* bytes of the file */
#define CERT_MAX (16u << 10) /* bytes of one */
#define SILENCE_MS 20000
#define WHOLE_MS 60000

enum status fetch_open(const char *ca, const char *mirror, struct fetch *out,
		       struct err *err)
{
	struct fetch f = { .ca = ca == NULL ? FETCH_CA : ca,
			   .has_mirror = mirror != NULL };

	if (mirror != NULL)
		TRY(addr_parse_url(mirror, &f.mirror, err));
	TRY(loop_new(&f.loop, err));
	*out = f;
	return OK;
}

void fetch_done(struct fetch *f)
{
	tls_unref(f->tls);
	loop_free(f->loop);
	*f = (struct fetch){ 0 };
}

/* ---- Authorities ---- */

static void free_all(struct x509 **cert, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x509_free(cert[i]);
}

/* Those of a system are of many kinds: which we cannot read, we cannot follow
 * either, and leave out. */
static size_t read_roots(struct slice pem, struct x509 **cert)
{
	size_t n = 0;
	struct err unused;

	while (n < TLS_ROOTS_MAX) {
		auto_buf struct buf der = buf_make(CERT_MAX);

		if (pem_next(&pem, "CERTIFICATE", &der, &unused) != OK)
			break;
		if (x509_parse(buf_slice(&der), &cert[n], &unused) == OK)
			n++;
	}
	return n;
}

static enum status make_tls(struct fetch *f, struct err *err)
{
	auto_buf struct buf pem = buf_make(CA_MAX);
	struct x509 *cert[TLS_ROOTS_MAX];
	struct tls_settings set = { 0 };

	if (f->tls != NULL)
		return OK;
	if (ask_read(f->ca, &pem, err) != OK) {
		const struct err why = *err;

		return err_set(err, E_CONF,
			       "%s: install ca-certificates, or give --ca",
			       why.text);
	}
	set.n_roots = read_roots(buf_slice(&pem), cert);
	if (set.n_roots == 0)
		return err_set(err, E_CONF,
			       "%s: expected certificates in PEM, found none "
			       "that can be read",
			       f->ca);
	for (size_t i = 0; i < set.n_roots; i++)
		set.roots[i] = x509_der(cert[i]);
	enum status st = tls_new(&set, &f->tls, err);
	free_all(cert, set.n_roots);
	return st;
}

/* ---- One exchange ---- */

struct exchange {
	struct fetch *f;
	const char *wanted;
	struct buf *body, *header;
	unsigned status;
	struct err err;
};

static void finish(struct exchange *x, const struct err *why)
{
	if (why != NULL)
		x->err = *why;
	loop_stop(x->f->loop);
}

static void on_head(void *ctx, const struct http_head *head)
{
	struct exchange *x = ctx;

	x->status = head->status;
	if (x->wanted != NULL)
		buf_put(x->header, http_head_get(head, x->wanted));
}

static void on_body(void *ctx, struct slice part)
{
	struct exchange *x = ctx;

	if (x->status == 200)
		buf_put(x->body, part);
}

static void on_end(void *ctx)
{
	finish(ctx, NULL);
}

static void on_failed(void *ctx, const struct err *why, bool sent)
{
	(void)sent;
	finish(ctx, why);
}

static void on_late(void *ctx)
{
	struct err late;

	(void)err_set(&late, E_UNAVAIL, "no whole answer in a minute");
	finish(ctx, &late);
}

static const struct http_client_events events = {
	.head = on_head,
	.body = on_body,
	.end = on_end,
	.failed = on_failed,
};

static enum status converse(struct exchange *x, struct http_client *c,
			    const struct fetch_request *r, struct slice target,
			    struct err *err)
{
	const struct http_header h[] = {
		{ S("Accept"), S("*/*") },
		{ S("Connection"), S("close") },
		{ S("Content-Type"),
		  slice_str(r->content_type == NULL ? "" : r->content_type) },
	};
	bool post = r->body.len > 0;
	struct loop_timer *deadline = loop_timer_new(x->f->loop, on_late, x);

	loop_timer_arm(deadline, WHOLE_MS);
	enum status st =
		http_client_begin(c, post ? "POST" : "GET", target, h,
				  post ? 3 : 2, r->body.len, &events, x, err);
	if (st == OK && post) {
		http_client_body(c, r->body);
		http_client_body_end(c);
	}
	if (st == OK)
		loop_run(x->f->loop);
	loop_timer_free(deadline);
	return st;
}

static enum status check_answer(const struct exchange *x, struct err *err)
{
	if (x->err.code != OK) {
		*err = x->err;
		return err->code;
	}
	if (x->status != 200)
		return err_set(err, E_UNAVAIL,
			       "the server answers %u, expected 200",
			       x->status);
	if (x->wanted != NULL && x->header->len == 0)
		return err_set(err, E_UNAVAIL,
			       "the server's answer has no header %s",
			       x->wanted);
	TRY(buf_check(x->body, "the answer", err));
	return x->header == NULL ? OK : buf_check(x->header, "a header", err);
}

/* "https://HOST/PATH" into the server to ask and "/PATH". */
static enum status locate(const struct fetch *f, const char *url,
			  struct addr *to, struct slice *target,
			  struct err *err)
{
	char host[300];
	struct slice all = slice_str(url);
	size_t at = sizeof("https://") - 1;

	at += slice_find(slice_from(all, at), '/');
	*target = slice_from(all, at);
	if (f->has_mirror) {
		*to = f->mirror;
		return OK;
	}
	(void)snprintf(host, sizeof(host), "%.*s",
		       SLICE_FMT(slice_sub(all, 0, at)));
	return addr_parse_url(host, to, err);
}

enum status fetch_ask(struct fetch *f, const struct fetch_request *r,
		      struct buf *body, struct buf *header, struct err *err)
{
	struct http_client_settings set = { .head_ms = SILENCE_MS,
					    .idle_ms = SILENCE_MS,
					    .max_body = FETCH_MAX };
	struct exchange x = {
		.f = f, .wanted = r->header, .body = body, .header = header
	};
	struct http_client *client = NULL;
	struct slice target;

	TRY(locate(f, r->url, &set.to, &target, err));
	if (set.to.tls)
		TRY(make_tls(f, err));
	set.tls = set.to.tls ? f->tls : NULL;
	TRY(http_client_new(f->loop, &set, &client, err));
	enum status st = converse(&x, client, r, target, err);
	http_client_free(client);
	return st == OK ? check_answer(&x, err) : st;
}
