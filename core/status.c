#include "core/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/text.h"

/* clang-format off */
static const struct { int exit_code; const char *name; } outcomes[] = {
	[OK]         = {  0, "ok" },
	[E_NOMEM]    = {  1, "nomem" },
	[E_IO]       = { 74, "io" },
	[E_AGAIN]    = {  1, "again" },
	[E_PARSE]    = {  1, "parse" },
	[E_LIMIT]    = {  1, "limit" },
	[E_CRYPTO]   = {  2, "crypto" },
	[E_POLICY]   = {  2, "policy" },
	[E_STALE]    = {  3, "stale" },
	[E_NOTFOUND] = {  1, "notfound" },
	[E_CONFLICT] = {  1, "conflict" },
	[E_USAGE]    = { 64, "usage" },
	[E_CONF]     = { 78, "conf" },
	[E_PERM]     = { 77, "perm" },
	[E_UNAVAIL]  = { 69, "unavail" },
};
/* clang-format on */

int status_exit_code(enum status code)
{
	return (size_t)code < countof(outcomes) ? outcomes[code].exit_code : 1;
}

const char *status_name(enum status code)
{
	return (size_t)code < countof(outcomes) ? outcomes[code].name
						: "unknown";
}

/* Bytes of the printable character at s: one ASCII or one UTF-8 sequence that
 * is no C1 control; 0 for anything else. */
static size_t printable(struct slice s)
{
	size_t n = text_utf8_len(s);

	if (n == 1 && (s.p[0] < 0x20 || s.p[0] == 0x7f))
		return 0;
	if (n == 2 && s.p[0] == 0xc2 && s.p[1] < 0xa0)
		return 0;
	return n;
}

/* Put text into err as one line without control bytes. */
static void store(struct err *err, const char *text)
{
	size_t len = strlen(text); /* below ERR_TEXT_MAX */
	struct slice rest = slice_make(text, len);
	size_t step;

	for (char *to = err->text; rest.len > 0; to += step) {
		step = printable(rest);
		if (step == 0) {
			step = 1;
			*to = '?';
		} else {
			memcpy(to, rest.p, step);
		}
		rest = slice_from(rest, step);
	}
	err->text[len] = '\0';
}

/* Format, then ": " and tail if there is one, ending in "..." when cut.
 * It goes through a copy, since arguments may well point into err->text. */
__attribute__((format(printf, 2, 0))) static void compose(struct err *err,
							  const char *fmt,
							  va_list ap,
							  const char *tail)
{
	char text[ERR_TEXT_MAX];

	int n = vsnprintf(text, sizeof(text), fmt, ap);
	size_t wanted = n < 0 ? 0 : (size_t)n;
	if (n < 0)
		text[0] = '\0';
	if (tail != NULL && wanted < sizeof(text)) {
		n = snprintf(text + wanted, sizeof(text) - wanted, ": %s",
			     tail);
		wanted += n < 0 ? 0 : (size_t)n;
	}
	if (wanted >= sizeof(text))
		memcpy(text + sizeof(text) - 4, "...", 4);
	store(err, text);
}

enum status err_set(struct err *err, enum status code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	compose(err, fmt, ap, NULL);
	va_end(ap);
	err->code = code;
	return code;
}

static enum status status_of_errno(int number)
{
	if (number == EACCES || number == EPERM)
		return E_PERM;
	return number == ENOENT ? E_NOTFOUND : E_IO;
}

enum status err_errno(struct err *err, const char *fmt, ...)
{
	int number = errno;
	va_list ap;

	va_start(ap, fmt);
	compose(err, fmt, ap, strerror(number));
	va_end(ap);
	err->code = status_of_errno(number);
	return err->code;
}

enum status err_wrap(struct err *err, const char *fmt, ...)
{
	char old[ERR_TEXT_MAX];
	va_list ap;

	memcpy(old, err->text, sizeof(old));
	va_start(ap, fmt);
	compose(err, fmt, ap, old);
	va_end(ap);
	return err->code;
}
