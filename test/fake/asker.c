/* A client of a proxy, for tests in other languages: seals one request, opens
 * its answer.
 *
 *	asker --to URL --keys FILE [--path PATH] [--header NAME:VALUE]...
 *	      [--body TEXT] [--size BYTES] [--save FILE]
 *
 * FILE of --keys is what `confd key ohttp --public` writes; the body is TEXT,
 * behind it BYTES times "x".  With --save the sealed request is written there
 * and nothing is sent.  Printed is the status outside, the status inside, and
 * then what comes, as it comes; the exit status is 0 when all of it came. */
#include <stdio.h>

#include "core/cleanup.h"
#include "core/file.h"
#include "core/io/http_client.h"
#include "core/text.h"
#include "proxy/bhttp.h"
#include "proxy/ohttp.h"

#define SEALED_MAX (64u << 20)

struct asker {
	const char *to, *keys, *path, *body, *save;
	uint64_t size;
	struct http_header h[HTTP_MAX_HEADERS];
	size_t n;

	struct loop *loop;
	struct http_client *client;
	struct ohttp_client *seal;
	struct bhttp_reader answer;
	bool sealed; /* the answer is */
	bool whole;
};

static void give_up(struct asker *a, const char *why)
{
	(void)fprintf(stderr, "asker: %s\n", why);
	a->whole = false;
	loop_stop(a->loop);
}

/* ---- the request ---------------------------------------------------------------- */

static enum status put_request(const struct asker *a, struct buf *out,
			       struct err *err)
{
	const struct bhttp_head head = { .method = S("POST"),
					 .scheme = S("https"),
					 .path = slice_str(a->path),
					 .h = a->h,
					 .n = a->n };
	auto_buf struct buf body = buf_make(SEALED_MAX);

	buf_put_str(&body, a->body);
	for (uint64_t i = 0; i < a->size; i++)
		buf_put_u8(&body, 'x');
	TRY(bhttp_put_head(out, &head, true, err));
	bhttp_put_content(out, buf_slice(&body));
	bhttp_put_end(out, 0);
	return buf_check(out, "request", err);
}

static enum status seal(struct asker *a, struct buf *out, struct err *err)
{
	auto_buf struct buf plain = buf_make(SEALED_MAX);
	auto_buf struct buf list = buf_make(OHTTP_KEYS_MAX);
	struct ohttp_config configs[OHTTP_CONFIGS_MAX];
	const struct ohttp_config *best;
	uint16_t aead;
	size_t n;

	TRY(file_read(a->keys, &list, err));
	TRY(ohttp_keys_parse(buf_slice(&list), configs, countof(configs), &n,
			     err));
	TRY(ohttp_keys_choose(configs, n, &best, &aead, err));
	TRY(ohttp_client_new(best, aead, OHTTP_CHUNKED, NULL, NULL, &a->seal,
			     err));
	TRY(put_request(a, &plain, err));
	return ohttp_client_seal(a->seal, buf_slice(&plain), true, out, err);
}

/* ---- the answer ----------------------------------------------------------------- */

static void print(struct slice part)
{
	(void)fwrite(part.p, 1, part.len, stdout);
	(void)fflush(stdout);
}

static bool read_plain(struct asker *a, struct slice plain, bool last)
{
	struct bhttp_event ev = { .kind = BHTTP_DATA };
	struct err err;
	size_t used;

	while (ev.kind != BHTTP_MORE && ev.kind != BHTTP_END) {
		if (bhttp_next(&a->answer, plain, last, &used, &ev, &err) !=
		    OK) {
			give_up(a, err.text);
			return false;
		}
		plain = slice_from(plain, used);
		if (ev.kind == BHTTP_HEAD)
			printf("inside %u\n", ev.head->status);
		if (ev.kind == BHTTP_DATA)
			print(ev.data);
	}
	a->whole = ev.kind == BHTTP_END;
	return true;
}

static void open_answer(struct asker *a, struct slice in, bool last)
{
	struct ohttp_event ev = { .kind = OHTTP_DATA };
	struct err err;
	size_t used;

	while (ev.kind == OHTTP_DATA) {
		if (ohttp_client_open(a->seal, in, last, &used, &ev, &err) !=
		    OK) {
			give_up(a, err.text);
			return;
		}
		in = slice_from(in, used);
		if (ev.kind != OHTTP_MORE &&
		    !read_plain(a, ev.plain, ev.kind == OHTTP_END))
			return;
	}
}

static void on_head(void *ctx, const struct http_head *head)
{
	struct asker *a = ctx;

	a->sealed = head->status == 200;
	printf("outside %u\n", head->status);
}

static void on_body(void *ctx, struct slice part)
{
	struct asker *a = ctx;

	if (a->sealed)
		open_answer(a, part, false);
	else
		print(part);
}

static void on_end(void *ctx)
{
	struct asker *a = ctx;

	if (a->sealed)
		open_answer(a, (struct slice){ 0 }, true);
	loop_stop(a->loop);
}

static void on_failed(void *ctx, const struct err *why, bool sent)
{
	(void)sent;
	give_up(ctx, why->text);
}

static const struct http_client_events client_callbacks = {
	.head = on_head,
	.body = on_body,
	.end = on_end,
	.failed = on_failed,
};

static enum status exchange(struct asker *a, struct slice sealed,
			    struct err *err)
{
	const struct http_header type = { S("Content-Type"),
					  S(OHTTP_TYPE_CHUNKED_REQ) };
	const struct tls_settings any = { 0 };
	struct http_client_settings set = { .max_body = UINT64_MAX };

	TRY(loop_new(&a->loop, err));
	TRY(addr_parse_url(a->to, &set.to, err));
	if (set.to.tls)
		TRY(tls_new(&any, &set.tls, err));
	TRY(http_client_new(a->loop, &set, &a->client, err));
	TRY(http_client_begin(a->client, "POST", S("/confd/v2"), &type, 1,
			      sealed.len, &client_callbacks, a, err));
	http_client_body(a->client, sealed);
	http_client_body_end(a->client);
	loop_run(a->loop);
	http_client_free(a->client);
	tls_unref(set.tls);
	loop_free(a->loop);
	return OK;
}

/* ---- the command line ------------------------------------------------------------- */

static bool read_option(struct asker *a, const char *name, const char *value)
{
	const struct {
		const char *name;
		const char **text;
	} known[] = {
		{ "--to", &a->to },	{ "--keys", &a->keys },
		{ "--path", &a->path }, { "--body", &a->body },
		{ "--save", &a->save },
	};
	struct slice rest = slice_str(value), field;

	for (size_t i = 0; i < countof(known); i++) {
		if (strcmp(name, known[i].name) != 0)
			continue;
		*known[i].text = value;
		return true;
	}
	if (strcmp(name, "--size") == 0)
		return slice_u64(rest, &a->size);
	if (strcmp(name, "--header") != 0 || a->n == HTTP_MAX_HEADERS ||
	    !slice_split(&rest, ':', &field))
		return false;
	a->h[a->n++] = (struct http_header){ field, slice_trim(rest) };
	return true;
}

static enum status run(struct asker *a, struct err *err)
{
	auto_buf struct buf sealed = buf_make(SEALED_MAX);

	bhttp_init_response(&a->answer, UINT64_MAX);
	TRY(seal(a, &sealed, err));
	if (a->save != NULL) {
		a->whole = true;
		return file_write(a->save, buf_slice(&sealed), 0644, err);
	}
	return exchange(a, buf_slice(&sealed), err);
}

int main(int argc, char **argv)
{
	struct asker a = { .path = "/v1/chat/completions",
			   .body = "{\"model\":\"m\"}" };
	struct err err;

	a.h[a.n++] = (struct http_header){ S("content-type"),
					   S("application/json") };
	for (int i = 1; i < argc; i += 2) {
		if (argv[i + 1] == NULL ||
		    !read_option(&a, argv[i], argv[i + 1])) {
			(void)fprintf(stderr, "asker: what is %s?\n", argv[i]);
			return 64;
		}
	}
	if (a.keys == NULL || (a.to == NULL && a.save == NULL)) {
		(void)fprintf(stderr, "asker: --keys or --to is missing\n");
		return 64;
	}
	if (crypto_setup(&err) != OK || run(&a, &err) != OK) {
		(void)fprintf(stderr, "asker: %s\n", err.text);
		return 1;
	}
	ohttp_client_free(a.seal);
	bhttp_done(&a.answer);
	return a.whole ? 0 : 1;
}
