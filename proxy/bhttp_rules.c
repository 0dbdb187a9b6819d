#include "proxy/bhttp_rules.h"

#include "core/cleanup.h"

/* RFC 9113 section 8.2.2, and "te", which nobody here has a use for. */
static const char *const of_connections[] = {
	"connection", "keep-alive",	   "proxy-connection",
	"te",	      "transfer-encoding", "upgrade",
};

static bool is(struct slice name, const char *want)
{
	return slice_eq_nocase(name, slice_str(want));
}

enum status bhttp_rules_field(struct slice name, struct slice value,
			      struct err *err)
{
	if (!http_is_token(name))
		return err_set(err, E_PARSE,
			       "binary http: a field name that is no token");
	for (size_t i = 0; i < countof(of_connections); i++)
		if (is(name, of_connections[i]))
			return err_set(err, E_PARSE,
				       "binary http: field \"%s\", which "
				       "belongs to a connection",
				       of_connections[i]);
	if (!http_is_value(value) || slice_trim(value).len != value.len)
		return err_set(err, E_PARSE,
			       "binary http: a field value with control bytes, "
			       "or with white space at an end");
	return OK;
}

/* host[:port] or [v6]:port; what is in it is the business of whoever uses
 * it, but it cannot break out of an authority. */
static bool is_authority(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~' ||
		    strchr("/?#@\\\"<>^`{|}", s.p[i]) != NULL)
			return false;
	return s.len <= 255 + sizeof(":65535") - 1;
}

static bool is_scheme(struct slice s)
{
	return slice_eq_str(s, "https") || slice_eq_str(s, "http");
}

static enum status request_line(const struct bhttp_head *h, struct err *err)
{
	if (!http_is_method(h->method) || slice_eq_str(h->method, "CONNECT"))
		return err_set(err, E_PARSE,
			       "binary http: a method that is not taken here");
	if (!is_scheme(h->scheme))
		return err_set(err, E_PARSE,
			       "binary http: a scheme other than https, http");
	if (!is_authority(h->authority))
		return err_set(err, E_PARSE,
			       "binary http: an authority that is no host and "
			       "port");
	if (!http_is_target(h->path))
		return err_set(err, E_PARSE,
			       "binary http: a path that is not \"/\" and "
			       "printable ASCII");
	return OK;
}

static enum status status_code(const struct bhttp_head *h, struct err *err)
{
	if (h->status < 100 || h->status > 599 || h->status == 101)
		return err_set(err, E_PARSE,
			       "binary http: status %u, want 100 to 599 and "
			       "not 101",
			       h->status);
	return OK;
}

/* The only field of this name; p is NULL when there is none. */
static enum status single(const struct bhttp_head *h, const char *name,
			  struct slice *value, struct err *err)
{
	struct slice found = { NULL, 0 };
	size_t n = 0;

	for (size_t i = 0; i < h->n; i++) {
		if (!is(h->h[i].name, name))
			continue;
		found = h->h[i].value;
		n++;
	}
	if (n > 1)
		return err_set(err, E_PARSE,
			       "binary http: field \"%s\" %zu times", name, n);
	*value = found;
	return OK;
}

static enum status host(const struct bhttp_head *h, struct err *err)
{
	struct slice value;

	TRY(single(h, "host", &value, err));
	if (value.p == NULL)
		return OK;
	if (!is_authority(value))
		return err_set(err, E_PARSE,
			       "binary http: a host that is no host and port");
	if (h->authority.len > 0 && !slice_eq_nocase(value, h->authority))
		return err_set(err, E_PARSE,
			       "binary http: host and authority differ");
	return OK;
}

enum status bhttp_rules_head(const struct bhttp_head *head, bool response,
			     uint64_t *length, struct err *err)
{
	struct slice value;
	uint64_t n = BHTTP_NO_LENGTH;

	TRY(response ? status_code(head, err) : request_line(head, err));
	if (!response)
		TRY(host(head, err));
	TRY(single(head, "content-type", &value, err));
	TRY(single(head, "content-length", &value, err));
	if (value.p != NULL && !slice_u64(value, &n))
		return err_set(err, E_PARSE,
			       "binary http: a content-length that is no "
			       "number");
	*length = n;
	return OK;
}
