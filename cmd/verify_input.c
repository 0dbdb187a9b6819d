#include "cmd/verify_input.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>

#include "attest/tee/collateral.h"
#include "core/cleanup.h"
#include "core/file.h"
#include "core/text.h"
#include "core/x509.h"

#define HEX S("0123456789abcdefABCDEF")
#define BASE64                                                   \
	S("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" \
	  "0123456789+/=")
#define BASE64URL                                                \
	S("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" \
	  "0123456789-_=")
#define BEGIN S("-----BEGIN ")
#define END S("-----END ")

/* ---- What it is ---- */

/* Append in without white space; false when something else than set's
 * characters stands there. */
static bool pack(struct slice in, struct slice set, struct buf *out)
{
	while (in.len > 0) {
		struct slice word = slice_sub(in, 0, slice_span(in, set));

		buf_put(out, word);
		in = slice_from(in, word.len);
		size_t space = slice_span(in, TEXT_SPACE);
		if (word.len == 0 && space == 0)
			return false;
		in = slice_from(in, space);
	}
	return out->len > 0 && !out->bad;
}

static uint8_t digit(uint8_t c)
{
	if (c >= 'a')
		return (uint8_t)(c - 'a' + 10);
	return (uint8_t)(c >= 'A' ? c - 'A' + 10 : c - '0');
}

static bool decode_hex(struct slice in, struct buf *out)
{
	auto_buf struct buf packed = buf_make(in.len);

	if (slice_starts(in, S("0x")))
		in = slice_from(in, 2);
	if (!pack(in, HEX, &packed) || packed.len % 2 != 0)
		return false;
	struct slice s = buf_slice(&packed);
	for (size_t i = 0; i < s.len; i += 2)
		buf_put_u8(out,
			   (uint8_t)(digit(s.p[i]) << 4 | digit(s.p[i + 1])));
	return true;
}

static bool decode_base64(struct slice in, struct buf *out)
{
	auto_buf struct buf packed = buf_make(in.len);
	struct err err;

	return pack(in, BASE64, &packed) &&
	       text_unbase64(buf_slice(&packed), out, "base64", &err) == OK;
}

static bool decode_base64url(struct slice in, struct buf *out)
{
	auto_buf struct buf packed = buf_make(in.len);
	struct err err;

	if (!pack(in, BASE64URL, &packed))
		return false;
	struct slice s = buf_slice(&packed);
	while (s.len > 0 && s.p[s.len - 1] == '=')
		s.len--;
	return text_unbase64url(s, out, "base64url", &err) == OK;
}

/* What is between the marks of the first block. */
static bool decode_pem(struct slice in, struct buf *out)
{
	struct slice rest = slice_from(in, slice_search(in, BEGIN) + BEGIN.len);
	struct slice label = { 0 };

	return slice_split(&rest, '\n', &label) &&
	       decode_base64(slice_sub(rest, 0, slice_search(rest, END)), out);
}

/* Binary may have text in it: a quote has certificates in PEM. */
static bool is_text(struct slice in)
{
	for (size_t i = 0; i < in.len; i++)
		if (in.p[i] >= 0x7f ||
		    (in.p[i] < 0x20 && memchr("\t\r\n", in.p[i], 3) == NULL))
			return false;
	return true;
}

static bool decode(enum verify_form form, struct slice in, struct buf *out)
{
	if (!is_text(in))
		return false;
	in = slice_from(in, slice_span(in, TEXT_SPACE));
	if (slice_search(in, BEGIN) < in.len)
		return form == VERIFY_BYTES && decode_pem(in, out);
	return decode_hex(in, out) || decode_base64(in, out) ||
	       decode_base64url(in, out);
}

void verify_input_decode(enum verify_form form, struct buf *b)
{
	auto_buf struct buf out = buf_make(b->max);

	if (!decode(form, buf_slice(b), &out) || out.bad)
		return;
	buf_clear(b);
	buf_put(b, buf_slice(&out));
}

/* ---- Files ---- */

enum status verify_input_raw(const char *path, struct buf *out, struct err *err)
{
	enum status status = file_read(path, out, err);

	if (status == E_NOTFOUND) /* of the command line, not of evidence */
		err->code = status = E_IO;
	return status;
}

enum status verify_input_read(const char *path, enum verify_form form,
			      struct buf *out, struct err *err)
{
	buf_done(out);
	*out = buf_make(VERIFY_FILE_MAX);
	if (path == NULL)
		return OK;
	TRY(verify_input_raw(path, out, err));
	verify_input_decode(form, out);
	return OK;
}

enum status verify_input_collateral(const char *path, enum verify_form form,
				    struct buf *out, struct err *err)
{
	TRY(verify_input_read(path, form, out, err));
	if (path == NULL || out->len > 0)
		return OK;
	return err_set(err, E_STALE,
		       "%s: empty: expected what the option is for; leave "
		       "the option out where there is nothing",
		       path);
}

/* Certificates in PEM, or one in DER. */
static enum status read_roots(struct slice text, struct tee_roots *out,
			      struct err *err)
{
	auto_x509 struct x509 *cert = NULL;
	auto_buf struct buf pem = buf_make(2 * VERIFY_FILE_MAX);
	struct err unused;

	if (x509_parse(text, &cert, &unused) != OK)
		return tee_roots_parse(text, out, err);
	x509_pem(x509_der(cert), &pem);
	return tee_roots_parse(buf_slice(&pem), out, err);
}

enum status verify_input_roots(const struct opt_list *files,
			       struct tee_roots *out, struct err *err)
{
	*out = (struct tee_roots){ 0 };
	for (size_t i = 0; i < files->n; i++) {
		auto_buf struct buf text = { 0 };
		struct tee_roots more;

		TRY(verify_input_read(files->v[i], VERIFY_CERTS, &text, err));
		if (read_roots(buf_slice(&text), &more, err) != OK)
			return err_wrap(err, "--trust-root %s", files->v[i]);
		if (out->n + more.n > TEE_ROOTS_MAX)
			return err_set(err, E_USAGE,
				       "--trust-root: at most %d roots",
				       TEE_ROOTS_MAX);
		memcpy(out->spki[out->n], more.spki, more.n * 32);
		out->n += more.n;
	}
	return OK;
}

enum status verify_input_hex(const char *option, const char *text, uint8_t *out,
			     size_t max, size_t *len, struct err *err)
{
	auto_buf struct buf bytes = buf_make(max);

	if (!decode_hex(slice_str(text), &bytes) || bytes.bad)
		return err_set(err, E_USAGE,
			       "--%s '%s': expected at most %zu hex digits, an "
			       "even number",
			       option, text, 2 * max);
	memset(out, 0, max);
	memcpy(out, buf_slice(&bytes).p, bytes.len);
	*len = bytes.len;
	return OK;
}

/* ---- Intel's documents ---- */

/* clang-format off */
/* What they may be called in the directory is in attest/tee/collateral.c. */
static const struct {
	const char *text;
	size_t at; /* in struct tdx_collateral_input */
} members[] = {
#define MEMBER(m) { #m, offsetof(struct tdx_collateral_input, m) }
	MEMBER(tcb_info),
	MEMBER(tcb_info_chain),
	MEMBER(qe_identity),
	MEMBER(qe_identity_chain),
	MEMBER(root_ca_crl),
	MEMBER(pck_crl),
	MEMBER(pck_crl_chain),
#undef MEMBER
};
/* clang-format on */

static_assert(countof(members) == VERIFY_TDX_FILES, "room for each");

void verify_tdx_files_done(struct verify_tdx_files *c)
{
	for (size_t i = 0; i < countof(members); i++)
		buf_done(&c->file[i]);
}

/* The file of one thing, if it is there under one of its names. */
static enum status read_member(const char *dir, size_t i, struct buf *out,
			       struct err *err)
{
	char path[COLLATERAL_PATH_MAX];
	struct err why;

	if (collateral_find(dir, "tdx", members[i].text, path, &why) == OK)
		return verify_input_collateral(path, VERIFY_CERTS, out, err);
	if (why.code == E_NOTFOUND)
		return OK;
	return err_set(err, E_USAGE, "--%s", why.text);
}

enum status verify_input_tdx(const char *dir, struct verify_tdx_files *c,
			     struct err *err)
{
	if (dir == NULL)
		return OK;
	DIR *d = opendir(dir);
	if (d == NULL)
		return err_set(err, E_IO, "--collateral %s: %s", dir,
			       strerror(errno));
	(void)closedir(d);
	for (size_t i = 0; i < countof(members); i++) {
		TRY(read_member(dir, i, &c->file[i], err));
		struct slice s = buf_slice(&c->file[i]);
		memcpy((uint8_t *)&c->in + members[i].at, &s, sizeof(s));
	}
	return OK;
}
