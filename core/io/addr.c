#include "core/io/addr.h"

#include <arpa/inet.h>
#include <sys/un.h>

#define NAME_MOST 253 /* RFC 1035 section 2.3.4, as text */
#define LABEL_MOST 63
#define PATH_MOST (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

/* The parts of HOST:PORT before they are judged. */
struct parts {
	struct slice host;
	struct slice port;
	bool has_port;
	bool bracketed;
};

/* clang-format off */
static const struct scheme {
	const char *prefix;
	uint16_t port;	/* when none is given; 0: must be given */
	bool tls;
} schemes[] = {
	{ "http://", 80, false },
	{ "https://", 443, true },
	{ "", 0, false },
};
/* clang-format on */

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_name_char(uint8_t c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
}

static bool is_label(struct slice s)
{
	if (s.len == 0 || s.len > LABEL_MOST || s.p[0] == '-' ||
	    s.p[s.len - 1] == '-')
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!is_name_char(s.p[i]))
			return false;
	return true;
}

static bool all_digits(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_digit(s.p[i]))
			return false;
	return s.len > 0;
}

/* A DNS name.  One that ends in a number would be an IPv4 address with a
 * mistake in it. */
static bool is_name(struct slice s)
{
	struct slice label = { 0 };

	if (s.len > 1 && s.p[s.len - 1] == '.')
		s.len--; /* the root may be written */
	if (s.len == 0 || s.len > NAME_MOST || s.p[s.len - 1] == '.')
		return false;
	while (slice_split(&s, '.', &label))
		if (!is_label(label))
			return false;
	return !all_digits(label);
}

static bool is_number(int family, const char *host)
{
	uint8_t bin[16];

	return inet_pton(family, host, bin) == 1;
}

/* Copy what is not too long and has no NUL inside. */
static bool copy(char *out, size_t size, struct slice s)
{
	if (s.len >= size || slice_find(s, '\0') < s.len)
		return false;
	if (s.len > 0)
		memcpy(out, s.p, s.len);
	out[s.len] = '\0';
	return true;
}

static enum status parse_unix(const char *text, struct slice path,
			      struct addr *out, struct err *err)
{
	struct addr a = { .is_unix = true };

	if (path.len < 2 || (path.p[0] != '/' && path.p[0] != '@'))
		return err_set(err, E_USAGE,
			       "%s: want unix:/PATH or unix:@NAME", text);
	if (path.len > PATH_MOST || !copy(a.host, sizeof(a.host), path))
		return err_set(err, E_USAGE,
			       "%s: the path of a unix socket has at most %zu "
			       "bytes",
			       text, PATH_MOST);
	*out = a;
	return OK;
}

/* Cut at the colon before the port; a number of IPv6 has colons of its own
 * and therefore stands in brackets. */
static bool cut(struct slice s, struct parts *out)
{
	size_t at = slice_find(s, ':');
	size_t close = slice_find(s, ']');
	struct parts p = { .host = slice_sub(s, 0, at),
			   .has_port = at < s.len };

	if (s.len > 0 && s.p[0] == '[') {
		if (close == s.len)
			return false;
		p.bracketed = true;
		p.host = slice_sub(s, 1, close - 1);
		at = close + 1;
		p.has_port = at < s.len;
		if (p.has_port && s.p[at] != ':')
			return false;
	}
	p.port = slice_from(s, at + 1);
	*out = p;
	return slice_find(p.port, ':') == p.port.len;
}

static enum status take_port(const char *text, const struct parts *p,
			     uint16_t default_port, uint16_t *out,
			     struct err *err)
{
	uint64_t n = default_port;

	if (!p->has_port && default_port == 0)
		return err_set(err, E_USAGE,
			       "%s: the port is missing: want "
			       "HOST:PORT",
			       text);
	if (p->has_port &&
	    (p->port.len > 5 || !slice_u64(p->port, &n) || n > UINT16_MAX))
		return err_set(err, E_USAGE,
			       "%s: the port is no number from 0 to 65535",
			       text);
	*out = (uint16_t)n;
	return OK;
}

static enum status take_host(const char *text, const struct parts *p,
			     struct addr *a, struct err *err)
{
	if (!copy(a->host, sizeof(a->host), p->host))
		return err_set(err, E_USAGE, "%s: the host is too long", text);
	if (p->bracketed) {
		if (is_number(AF_INET6, a->host))
			return OK;
		return err_set(err, E_USAGE,
			       "%s: no IPv6 address in the brackets", text);
	}
	/* A host of the name "unix" could not be told from a socket. */
	if (is_number(AF_INET, a->host) ||
	    (is_name(p->host) && !slice_eq_str(p->host, "unix")))
		return OK;
	return err_set(err, E_USAGE,
		       "%s: the host is neither an address nor a name", text);
}

static enum status parse_host(const char *text, struct slice s,
			      uint16_t default_port, bool may_lack_host,
			      struct addr *out, struct err *err)
{
	struct addr a = { 0 };
	struct parts p;

	if (!cut(s, &p))
		return err_set(err, E_USAGE,
			       "%s: want HOST:PORT, or [ADDRESS]:PORT for IPv6",
			       text);
	TRY(take_port(text, &p, default_port, &a.port, err));
	if (p.host.len > 0 || p.bracketed || !p.has_port || !may_lack_host)
		TRY(take_host(text, &p, &a, err));
	*out = a;
	return OK;
}

enum status addr_parse(const char *text, uint16_t default_port,
		       struct addr *out, struct err *err)
{
	struct slice s = slice_str(text);

	if (slice_starts(s, S("unix:")))
		return parse_unix(text, slice_from(s, 5), out, err);
	return parse_host(text, s, default_port, true, out, err);
}

static bool starts_nocase(struct slice s, struct slice prefix)
{
	return slice_eq_nocase(slice_sub(s, 0, prefix.len), prefix);
}

static const struct scheme *scheme_of(struct slice s)
{
	const struct scheme *sc = schemes;

	while (!starts_nocase(s, slice_str(sc->prefix)))
		sc++; /* the last one is part of everything */
	return sc;
}

enum status addr_parse_url(const char *text, struct addr *out, struct err *err)
{
	struct slice s = slice_str(text);
	struct addr a;

	if (slice_starts(s, S("unix:")))
		return parse_unix(text, slice_from(s, 5), out, err);

	const struct scheme *sc = scheme_of(s);
	s = slice_from(s, strlen(sc->prefix));
	if (sc->port != 0 && slice_find(s, '/') == s.len - 1)
		s.len--; /* "http://host/" has an empty path */
	if (slice_find(s, '/') < s.len || slice_find(s, '?') < s.len ||
	    slice_find(s, '#') < s.len || slice_find(s, '@') < s.len)
		return err_set(err, E_USAGE,
			       "%s: want only http:// or https://, a host and "
			       "a port: no user, path or query",
			       text);
	TRY(parse_host(text, s, sc->port, false, &a, err));
	a.tls = sc->tls;
	*out = a;
	return OK;
}

void addr_text(const struct addr *a, char out[ADDR_TEXT_SIZE])
{
	bool v6 = !a->is_unix && strchr(a->host, ':') != NULL;

	if (a->is_unix)
		(void)snprintf(out, ADDR_TEXT_SIZE, "unix:%s", a->host);
	else
		(void)snprintf(out, ADDR_TEXT_SIZE, "%s%s%s:%u", v6 ? "[" : "",
			       a->host, v6 ? "]" : "", a->port);
}
