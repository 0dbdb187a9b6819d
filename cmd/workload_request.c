#include "cmd/workload_request.h"

#include "core/cleanup.h"
#include "core/json.h"
#include "core/text.h"

static const char *const logs_names[] = {
	[WORKLOAD_LOGS_ALLOWED] = "",
	[WORKLOAD_LOGS_OFF] = "off",
	[WORKLOAD_LOGS_PLAIN] = "plain",
};

/* The members that are one text, and those that are lists of them. */
/* clang-format off */
#define AT(m) offsetof(struct workload_request, m)
static const struct { const char *name; size_t at; } texts[] = {
	{ "name", AT(name) },
	{ "root", AT(root) },
	{ "listen", AT(listen) },
	{ "upstream", AT(upstream) },
};
static const struct { const char *name; size_t at; } lists[] = {
	{ "command", AT(command) },
	{ "env", AT(env) },
	{ "adapters", AT(adapters) },
};
#undef AT
/* clang-format on */

static char **text_at(struct workload_request *r, size_t i)
{
	return (char **)(void *)((char *)r + texts[i].at);
}

static struct workload_words *list_at(struct workload_request *r, size_t i)
{
	return (void *)((char *)r + lists[i].at);
}

static const char *text_of(const struct workload_request *r, size_t i)
{
	return *(char *const *)(const void *)((const char *)r + texts[i].at);
}

static const struct workload_words *list_of(const struct workload_request *r,
					    size_t i)
{
	return (const void *)((const char *)r + lists[i].at);
}

void workload_request_done(struct workload_request *r)
{
	for (size_t i = 0; i < countof(texts); i++)
		mem_free(*text_at(r, i));
	for (size_t i = 0; i < countof(lists); i++) {
		struct workload_words *w = list_at(r, i);

		for (size_t k = 0; k < w->n; k++)
			mem_free(w->word[k]);
	}
	*r = (struct workload_request){ 0 };
}

static enum status copy(struct slice s, const char *what, char **out,
			struct err *err)
{
	if (slice_find(s, '\0') < s.len)
		return err_set(err, E_PARSE, "%s: a NUL byte in it", what);
	*out = mem_strdup((const char *)s.p, s.len);
	if (*out == NULL)
		return err_set(err, E_NOMEM, "%s: no memory", what);
	return OK;
}

enum status workload_request_add(struct workload_words *w, struct slice s,
				 const char *what, struct err *err)
{
	if (w->n == WORKLOAD_WORDS_MAX)
		return err_set(err, E_LIMIT, "%s: more than %d", what,
			       WORKLOAD_WORDS_MAX);
	TRY(copy(s, what, &w->word[w->n], err));
	w->n++;
	return OK;
}

/* ---- checking ----------------------------------------------------------- */

static struct slice scheme_of(const char *url, bool *tls)
{
	struct slice s = slice_str(url);
	struct slice http = S("http://"), https = S("https://");

	*tls = slice_starts(s, https);
	if (*tls)
		return slice_from(s, https.len);
	return slice_starts(s, http) ? slice_from(s, http.len) : S("");
}

enum status workload_request_listen(const struct workload_request *r,
				    struct addr *out, struct err *err)
{
	const char *url = r->listen != NULL ? r->listen : "https://:8443";
	struct err inner;
	struct addr a;
	bool tls;
	struct slice rest = scheme_of(url, &tls);

	if (rest.len == 0)
		return err_set(err, E_PARSE,
			       "listen '%s': expected https://ADDR:PORT, or "
			       "http://ADDR:PORT behind a load balancer",
			       url);
	/* rest ends where url ends, so it is a string, too. */
	if (addr_parse((const char *)rest.p, WORKLOAD_PORT, &a, &inner) != OK)
		return err_set(err, E_PARSE, "listen: %s", inner.text);
	if (a.is_unix)
		return err_set(err, E_PARSE,
			       "listen '%s': expected an address and a port",
			       url);
	a.tls = tls;
	*out = a;
	return OK;
}

/* A command needs a sandbox's members, an upstream none of them. */
static enum status check_kind(const struct workload_request *r, struct err *err)
{
	bool sandbox = r->upstream == NULL;
	const struct {
		const char *name;
		bool given;
	} only[] = {
		{ "root", r->root != NULL },
		{ "env", r->env.n > 0 },
		{ "port", r->port != 0 },
		{ "limits", r->memory_mib != 0 || r->pids != 0 },
		{ "logs", r->logs != WORKLOAD_LOGS_ALLOWED },
	};

	if (sandbox != (r->command.n > 0))
		return err_set(err, E_PARSE,
			       "expected command (to run in a sandbox) or "
			       "upstream (a server that runs already), found "
			       "%s",
			       sandbox ? "neither" : "both");
	if (sandbox && r->port == 0)
		return err_set(err, E_PARSE,
			       "port: missing; where does the command listen, "
			       "on 127.0.0.1 of its sandbox?");
	for (size_t i = 0; !sandbox && i < countof(only); i++)
		if (only[i].given)
			return err_set(err, E_PARSE,
				       "%s: only for a command in a sandbox, "
				       "not with upstream",
				       only[i].name);
	return OK;
}

static enum status check_paths(const struct workload_request *r,
			       struct err *err)
{
	if (r->command.n > 0 && r->command.word[0][0] != '/')
		return err_set(err, E_PARSE,
			       "command[0] '%s': expected an absolute path, "
			       "as the sandbox sees it",
			       r->command.word[0]);
	if (r->root != NULL && r->root[0] != '/')
		return err_set(err, E_PARSE,
			       "root '%s': expected an absolute path, on the "
			       "worker",
			       r->root);
	return OK;
}

static enum status check_upstream(const struct workload_request *r,
				  struct err *err)
{
	struct slice url = slice_str(r->upstream);
	struct err inner;
	struct addr a;

	if (r->upstream == NULL)
		return OK;
	if (!slice_starts(url, S("http://")) && !slice_starts(url, S("unix:")))
		return err_set(err, E_PARSE,
			       "upstream '%s': expected http://HOST:PORT or "
			       "unix:PATH",
			       r->upstream);
	if (addr_parse_url(r->upstream, &a, &inner) != OK)
		return err_set(err, E_PARSE, "upstream: %s", inner.text);
	return OK;
}

static enum status check_adapters(struct workload_request *r, struct err *err)
{
	if (r->adapters.n == 0)
		return workload_request_add(&r->adapters, S("openai"),
					    "adapters", err);
	for (size_t i = 0; i < r->adapters.n; i++) {
		if (!text_is_name(slice_str(r->adapters.word[i])))
			return err_set(err, E_PARSE,
				       "adapters[%zu]: expected a name", i);
		for (size_t k = 0; k < i; k++)
			if (strcmp(r->adapters.word[i], r->adapters.word[k]) ==
			    0)
				return err_set(err, E_PARSE,
					       "adapters[%zu]: %s again", i,
					       r->adapters.word[i]);
	}
	return OK;
}

static size_t text_bytes(const struct workload_request *r)
{
	size_t n = 0;

	for (size_t i = 0; i < countof(texts); i++)
		n += slice_str(text_of(r, i)).len;
	for (size_t i = 0; i < countof(lists); i++)
		for (size_t k = 0; k < list_of(r, i)->n; k++)
			n += strlen(list_of(r, i)->word[k]) + 1;
	return n;
}

enum status workload_request_check(struct workload_request *r, struct err *err)
{
	struct addr listen;

	if (!text_is_name(slice_str(r->name)))
		return err_set(err, E_PARSE,
			       "name: expected 1 to 64 of a-z 0-9 . _ -, a "
			       "letter or digit first");
	if (text_bytes(r) > WORKLOAD_TEXT_MAX)
		return err_set(err, E_LIMIT,
			       "command, env and the rest: more than %u bytes",
			       WORKLOAD_TEXT_MAX);
	TRY(check_kind(r, err));
	TRY(check_paths(r, err));
	TRY(check_upstream(r, err));
	TRY(workload_request_listen(r, &listen, err));
	return check_adapters(r, err);
}

/* ---- JSON --------------------------------------------------------------- */

static enum status read_words(const struct json *j, const char *what,
			      struct workload_words *out, struct err *err)
{
	if (j == NULL)
		return OK;
	TRY(json_want(j, JSON_ARRAY, err));
	for (const struct json *w = json_first(j); w != NULL;
	     w = json_next(w)) {
		TRY(json_want(w, JSON_STRING, err));
		TRY(workload_request_add(out, json_str(w), what, err));
	}
	return OK;
}

/* {"NAME":"value"} as "NAME=value". */
static enum status read_env(const struct json *j, struct workload_words *out,
			    struct err *err)
{
	if (j == NULL)
		return OK;
	TRY(json_want(j, JSON_OBJECT, err));
	for (const struct json *v = json_first(j); v != NULL;
	     v = json_next(v)) {
		auto_buf struct buf b = buf_make(WORKLOAD_TEXT_MAX);

		TRY(json_want(v, JSON_STRING, err));
		if (slice_find(json_name(v), '=') < json_name(v).len)
			return err_set(err, E_PARSE,
				       "env: a '=' in the name of a variable");
		buf_put(&b, json_name(v));
		buf_put_u8(&b, '=');
		buf_put(&b, json_str(v));
		TRY(buf_check(&b, "env", err));
		TRY(workload_request_add(out, buf_slice(&b), "env", err));
	}
	return OK;
}

static enum status read_limits(const struct json *j, struct workload_request *r,
			       struct err *err)
{
	static const char *const names[] = { "memory_mib", "pids" };

	if (j == NULL)
		return OK;
	TRY(json_want(j, JSON_OBJECT, err));
	TRY(json_only(j, names, countof(names), err));
	if (json_get(j, "memory_mib") != NULL)
		TRY(json_want_u64(j, "memory_mib", 1, 1u << 24, &r->memory_mib,
				  err));
	if (json_get(j, "pids") != NULL)
		TRY(json_want_u64(j, "pids", 1, 1u << 22, &r->pids, err));
	return OK;
}

static enum status read_logs(const struct json *root,
			     struct workload_request *r, struct err *err)
{
	struct slice s;

	if (json_get(root, "logs") == NULL)
		return OK;
	TRY(json_want_str(root, "logs", &s, err));
	for (size_t i = WORKLOAD_LOGS_OFF; i < countof(logs_names); i++)
		if (slice_eq_str(s, logs_names[i]))
			r->logs = (enum workload_logs)i;
	if (r->logs == WORKLOAD_LOGS_ALLOWED)
		return err_set(err, E_PARSE, "logs: expected off or plain");
	return OK;
}

static enum status read_port(const struct json *root,
			     struct workload_request *r, struct err *err)
{
	uint64_t port;

	if (json_get(root, "port") == NULL)
		return OK;
	TRY(json_want_u64(root, "port", 1, UINT16_MAX, &port, err));
	r->port = (uint16_t)port;
	return OK;
}

static enum status read_members(const struct json *root,
				struct workload_request *r, struct err *err)
{
	static const char *const names[] = { "adapters", "command", "env",
					     "limits",	 "listen",  "logs",
					     "name",	 "port",    "root",
					     "upstream" };
	struct slice s;

	TRY(json_want(root, JSON_OBJECT, err));
	TRY(json_only(root, names, countof(names), err));
	for (size_t i = 0; i < countof(texts); i++) {
		if (json_get(root, texts[i].name) == NULL)
			continue;
		TRY(json_want_str(root, texts[i].name, &s, err));
		TRY(copy(s, texts[i].name, text_at(r, i), err));
	}
	TRY(read_words(json_get(root, "command"), "command", &r->command, err));
	TRY(read_words(json_get(root, "adapters"), "adapters", &r->adapters,
		       err));
	TRY(read_env(json_get(root, "env"), &r->env, err));
	TRY(read_limits(json_get(root, "limits"), r, err));
	TRY(read_logs(root, r, err));
	return read_port(root, r, err);
}

enum status workload_request_parse(struct slice in,
				   struct workload_request *out,
				   struct err *err)
{
	auto_json struct json *root = NULL;
	auto_workload_request struct workload_request r = { 0 };

	TRY(json_parse(in, &root, err));
	TRY(read_members(root, &r, err));
	TRY(workload_request_check(&r, err));
	*out = r;
	r = (struct workload_request){ 0 };
	return OK;
}

static void put_words(struct json_out *w, const char *name,
		      const struct workload_words *words)
{
	if (words->n == 0)
		return;
	json_open_array(w, name);
	for (size_t i = 0; i < words->n; i++)
		json_put_cstr(w, NULL, words->word[i]);
	json_close_array(w);
}

static void put_env(struct json_out *w, const struct workload_words *env)
{
	if (env->n == 0)
		return;
	json_open_object(w, "env");
	for (size_t i = 0; i < env->n; i++) {
		struct slice rest = slice_str(env->word[i]), name;
		auto_buf struct buf b = buf_make(WORKLOAD_TEXT_MAX);

		(void)slice_split(&rest, '=', &name);
		buf_put(&b, name);
		json_put_str(w, buf_cstr(&b), rest);
	}
	json_close_object(w);
}

static void put_limits(struct json_out *w, const struct workload_request *r)
{
	if (r->memory_mib == 0 && r->pids == 0)
		return;
	json_open_object(w, "limits");
	if (r->memory_mib != 0)
		json_put_u64(w, "memory_mib", r->memory_mib);
	if (r->pids != 0)
		json_put_u64(w, "pids", r->pids);
	json_close_object(w);
}

void workload_request_write(const struct workload_request *r, struct buf *out)
{
	struct json_out w = { .buf = out };

	json_open_object(&w, NULL);
	for (size_t i = 0; i < countof(texts); i++)
		if (text_of(r, i) != NULL)
			json_put_cstr(&w, texts[i].name, text_of(r, i));
	put_words(&w, "command", &r->command);
	put_env(&w, &r->env);
	put_words(&w, "adapters", &r->adapters);
	if (r->port != 0)
		json_put_u64(&w, "port", r->port);
	if (r->logs != WORKLOAD_LOGS_ALLOWED)
		json_put_cstr(&w, "logs", logs_names[r->logs]);
	put_limits(&w, r);
	json_close_object(&w);
}

/* ---- fields ------------------------------------------------------------- */

/* The four texts, with a u8 before each that says whether it is there; u8
 * logs, u16 port, u64 memory, u64 pids; the three lists, each a u16 count and
 * that many fields. */
void workload_request_pack(const struct workload_request *r, struct buf *out)
{
	for (size_t i = 0; i < countof(texts); i++) {
		buf_put_u8(out, text_of(r, i) != NULL);
		buf_put_field(out, slice_str(text_of(r, i)));
	}
	buf_put_u8(out, (uint8_t)r->logs);
	buf_put_u16be(out, r->port);
	buf_put_u64be(out, r->memory_mib);
	buf_put_u64be(out, r->pids);
	for (size_t i = 0; i < countof(lists); i++) {
		const struct workload_words *w = list_of(r, i);

		buf_put_u16be(out, (uint16_t)w->n);
		for (size_t k = 0; k < w->n; k++)
			buf_put_field(out, slice_str(w->word[k]));
	}
}

static enum status unpack_list(struct cursor *c, const char *what,
			       struct workload_words *out, struct err *err)
{
	size_t n = cursor_u16be(c);

	for (size_t i = 0; i < n && !c->bad; i++)
		TRY(workload_request_add(out, cursor_field(c), what, err));
	return OK;
}

static enum status unpack_all(struct cursor *c, struct workload_request *r,
			      struct err *err)
{
	for (size_t i = 0; i < countof(texts); i++) {
		bool given = cursor_u8(c) != 0;
		struct slice s = cursor_field(c);

		if (given)
			TRY(copy(s, texts[i].name, text_at(r, i), err));
	}
	unsigned logs = cursor_u8(c);
	if (logs >= countof(logs_names))
		return err_set(err, E_PARSE, "logs: %u", logs);
	r->logs = (enum workload_logs)logs;
	r->port = cursor_u16be(c);
	r->memory_mib = cursor_u64be(c);
	r->pids = cursor_u64be(c);
	for (size_t i = 0; i < countof(lists); i++)
		TRY(unpack_list(c, lists[i].name, list_at(r, i), err));
	return cursor_end(c, "request", err);
}

enum status workload_request_unpack(struct slice in,
				    struct workload_request *out,
				    struct err *err)
{
	auto_workload_request struct workload_request r = { 0 };
	struct cursor c = cursor_make(in);

	TRY(unpack_all(&c, &r, err));
	TRY(workload_request_check(&r, err));
	*out = r;
	r = (struct workload_request){ 0 };
	return OK;
}
