#include "attest/tee/gpu_xml.h"

#include "core/cleanup.h"

#define NODES_MAX 16384
#define ATTRS_MAX 65536
#define SPACE S(" \t\n")

struct gpu_xml {
	struct gpu_xml_node *node; /* the first is the root */
	size_t n_nodes, cap_nodes;
	struct gpu_xml_attr *attr; /* of all elements */
	size_t n_attrs, cap_attrs;
};

struct reader {
	struct gpu_xml *x;
	struct slice in; /* all of it, for line numbers */
	struct slice rest;
	struct gpu_xml_node *open; /* innermost element; NULL: outside */
	struct gpu_xml_node *last; /* child of it, or NULL */
	size_t depth;
	struct err *err;
};

void gpu_xml_free(struct gpu_xml *x)
{
	if (x == NULL)
		return;
	mem_free(x->node);
	mem_free(x->attr);
	mem_free(x);
}

/* ---- Characters ---- */

static bool is_name_start(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_name_char(uint8_t c)
{
	return is_name_start(c) || (c >= '0' && c <= '9') || c == '-' ||
	       c == '.';
}

static bool is_printable(uint8_t c)
{
	return c >= ' ' && c <= '~' && c != '<' && c != '>' && c != '&';
}

static bool is_text(uint8_t c)
{
	return is_printable(c) || c == '\t' || c == '\n';
}

static bool all_space(struct slice s)
{
	return slice_span(s, SPACE) == s.len;
}

static enum status refuse(const struct reader *r, const char *what)
{
	size_t line = 1;

	for (const uint8_t *p = r->in.p; p < r->rest.p; p++)
		line += *p == '\n';
	return err_set(r->err, E_PARSE, "RIM: line %zu: %s", line, what);
}

static bool take_byte(struct reader *r, uint8_t c)
{
	if (r->rest.len == 0 || r->rest.p[0] != c)
		return false;
	r->rest = slice_from(r->rest, 1);
	return true;
}

static bool skip_space(struct reader *r)
{
	size_t n = slice_span(r->rest, SPACE);

	r->rest = slice_from(r->rest, n);
	return n > 0;
}

/* ---- Names and name spaces ---- */

/* A name without a colon; empty: none is there. */
static struct slice take_part(struct reader *r)
{
	size_t n = 0;

	if (r->rest.len > 0 && is_name_start(r->rest.p[0]))
		while (n < r->rest.len && is_name_char(r->rest.p[n]))
			n++;
	struct slice part = slice_sub(r->rest, 0, n);
	r->rest = slice_from(r->rest, n);
	return part;
}

static enum status take_name(struct reader *r, struct slice *prefix,
			     struct slice *local)
{
	*prefix = (struct slice){ 0 };
	*local = take_part(r);
	if (local->len > 0 && take_byte(r, ':')) {
		*prefix = *local;
		*local = take_part(r);
	}
	return local->len > 0 ? OK : refuse(r, "expected a name");
}

static bool is_reserved(struct slice name)
{
	return slice_eq_nocase(slice_sub(name, 0, 3), S("xml"));
}

struct slice gpu_xml_space(const struct gpu_xml_node *n, struct slice prefix)
{
	for (; n != NULL; n = n->parent)
		for (size_t i = 0; i < n->n_spaces; i++)
			if (slice_eq(n->space[i].local, prefix))
				return n->space[i].value;
	return (struct slice){ 0 };
}

/* Every prefix means one name space wherever it is seen, so that no reader
 * takes a name for another. */
static enum status check_space(const struct reader *r,
			       const struct gpu_xml_node *parent,
			       const struct gpu_xml_attr *a)
{
	struct slice outer = gpu_xml_space(parent, a->local);

	if (is_reserved(a->local) || a->value.len == 0)
		return refuse(r, "a name space that cannot be declared");
	if (outer.len > 0 && !slice_eq(outer, a->value))
		return refuse(r, "a prefix that has another meaning further "
				 "out");
	return OK;
}

static enum status resolve(const struct reader *r, struct gpu_xml_node *n,
			   struct gpu_xml_attr *attr)
{
	n->uri = gpu_xml_space(n, n->prefix);
	if (n->prefix.len > 0 && n->uri.len == 0)
		return refuse(r, "a prefix that is not declared");
	for (size_t i = 0; i < n->n_attrs; i++) {
		if (attr[i].prefix.len == 0)
			continue; /* of no name space, not of the default */
		attr[i].uri = gpu_xml_space(n, attr[i].prefix);
		if (attr[i].uri.len == 0)
			return refuse(r, "a prefix that is not declared");
	}
	for (size_t i = 0; i < n->n_attrs; i++)
		for (size_t j = 0; j < i; j++)
			if (slice_eq(attr[i].uri, attr[j].uri) &&
			    slice_eq(attr[i].local, attr[j].local))
				return refuse(r, "an attribute that is there "
						 "twice");
	return OK;
}

/* ---- Attributes ---- */

static enum status take_value(struct reader *r, struct slice *value)
{
	size_t n = 0;

	if (!take_byte(r, '=') || !take_byte(r, '"'))
		return refuse(r, "expected =\" behind an attribute's name");
	while (n < r->rest.len && r->rest.p[n] != '"' &&
	       is_printable(r->rest.p[n]))
		n++;
	*value = slice_sub(r->rest, 0, n);
	r->rest = slice_from(r->rest, n);
	if (!take_byte(r, '"'))
		return refuse(r, "expected printable ASCII without < > & in "
				 "an attribute, and \" behind it");
	return OK;
}

/* One attribute; declared says that it is xmlns. */
static enum status take_attr(struct reader *r, struct gpu_xml_attr *a,
			     bool *declared)
{
	TRY(take_name(r, &a->prefix, &a->local));
	TRY(take_value(r, &a->value));
	*declared = true;
	if (slice_eq_str(a->prefix, "xmlns"))
		return OK;
	if (a->prefix.len == 0 && slice_eq_str(a->local, "xmlns")) {
		a->local = (struct slice){ 0 };
		return OK;
	}
	*declared = false;
	if (is_reserved(a->prefix) || is_reserved(a->local))
		return refuse(r, "an attribute whose name begins with xml");
	return OK;
}

/* All of one element: declarations to their own list. */
static enum status take_attrs(struct reader *r, struct gpu_xml_node *n)
{
	struct gpu_xml_attr spaces[GPU_XML_ATTRS], plain[GPU_XML_ATTRS];
	struct gpu_xml *x = r->x;
	bool declared;

	while (skip_space(r) && r->rest.len > 0 && r->rest.p[0] != '>' &&
	       r->rest.p[0] != '/') {
		struct gpu_xml_attr a = { 0 };

		if (n->n_attrs + n->n_spaces == GPU_XML_ATTRS)
			return err_set(r->err, E_LIMIT,
				       "RIM: more than %d attributes",
				       GPU_XML_ATTRS);
		TRY(take_attr(r, &a, &declared));
		if (!declared) {
			plain[n->n_attrs++] = a;
			continue;
		}
		TRY(check_space(r, n->parent, &a));
		for (size_t i = 0; i < n->n_spaces; i++)
			if (slice_eq(spaces[i].local, a.local))
				return refuse(r, "a prefix declared twice");
		spaces[n->n_spaces++] = a;
	}
	if (n->n_attrs + n->n_spaces > x->cap_attrs - x->n_attrs)
		return refuse(r, "more attributes than were counted");
	struct gpu_xml_attr *attr = &x->attr[x->n_attrs];
	struct gpu_xml_attr *space = attr + n->n_attrs;
	if (n->n_attrs > 0)
		memcpy(attr, plain, n->n_attrs * sizeof(*attr));
	if (n->n_spaces > 0)
		memcpy(space, spaces, n->n_spaces * sizeof(*space));
	n->attr = attr;
	n->space = space;
	x->n_attrs += n->n_attrs + n->n_spaces;
	return resolve(r, n, attr);
}

/* ---- Nodes ---- */

/* A new child of the open element, behind the last one. */
static struct gpu_xml_node *add_node(struct reader *r)
{
	struct gpu_xml *x = r->x;

	if (x->n_nodes == x->cap_nodes)
		return NULL;
	struct gpu_xml_node *n = &x->node[x->n_nodes++];
	n->parent = r->open;
	if (r->last != NULL)
		r->last->next = n;
	else if (r->open != NULL)
		r->open->first = n;
	r->last = n;
	return n;
}

/* The node that a const pointer of ours leads to. */
static struct gpu_xml_node *mutable(const struct reader *r,
				    const struct gpu_xml_node *n)
{
	return n == NULL ? NULL : &r->x->node[n - r->x->node];
}

static void close_element(struct reader *r)
{
	r->last = r->open;
	r->open = mutable(r, r->open->parent);
	r->depth--;
}

static enum status take_start(struct reader *r)
{
	if (r->open == NULL && r->x->n_nodes > 0)
		return refuse(r, "a second outermost element");
	if (r->depth == GPU_XML_DEPTH)
		return err_set(r->err, E_LIMIT,
			       "RIM: more than %d elements within one another",
			       GPU_XML_DEPTH);
	struct gpu_xml_node *n = add_node(r);
	if (n == NULL)
		return refuse(r, "more elements than were counted");
	TRY(take_name(r, &n->prefix, &n->local));
	if (is_reserved(n->prefix))
		return refuse(r, "an element whose prefix begins with xml");
	TRY(take_attrs(r, n));
	bool empty = take_byte(r, '/');
	if (!take_byte(r, '>'))
		return refuse(r, "expected the end of a tag");
	r->open = n;
	r->last = NULL;
	r->depth++;
	if (empty)
		close_element(r);
	return OK;
}

static enum status take_end(struct reader *r)
{
	struct slice prefix, local;

	TRY(take_name(r, &prefix, &local));
	(void)skip_space(r);
	if (!take_byte(r, '>'))
		return refuse(r, "expected the end of a tag");
	if (r->open == NULL || !slice_eq(prefix, r->open->prefix) ||
	    !slice_eq(local, r->open->local))
		return refuse(r, "an end tag that does not fit");
	close_element(r);
	return OK;
}

/* Text up to the next tag; outside of the root, white space only. */
static enum status take_text(struct reader *r)
{
	struct slice text = slice_sub(r->rest, 0, slice_find(r->rest, '<'));

	for (size_t i = 0; i < text.len; i++)
		if (!is_text(text.p[i]))
			return refuse(r, "expected printable ASCII without > "
					 "and & in text");
	if (r->open == NULL && !all_space(text))
		return refuse(r, "text outside of the outermost element");
	r->rest = slice_from(r->rest, text.len);
	if (r->open == NULL || text.len == 0)
		return OK;
	struct gpu_xml_node *n = add_node(r);
	if (n == NULL)
		return refuse(r, "more text than was counted");
	n->is_text = true;
	n->text = text;
	return OK;
}

/* clang-format off */
/* The declaration in front of a document: these and no other. */
static const struct slice declarations[] = {
	S_INIT("<?xml version=\"1.0\" encoding=\"UTF-8\"?>"),
	S_INIT("<?xml version=\"1.0\" encoding=\"utf-8\"?>"),
	S_INIT("<?xml version='1.0' encoding='UTF-8'?>"),
};
/* clang-format on */

static enum status take_document(struct reader *r)
{
	for (size_t i = 0; i < countof(declarations); i++)
		if (slice_starts(r->rest, declarations[i]))
			r->rest = slice_from(r->rest, declarations[i].len);
	while (r->rest.len > 0) {
		TRY(take_text(r));
		if (!take_byte(r, '<'))
			break;
		if (r->rest.len > 0 &&
		    (r->rest.p[0] == '!' || r->rest.p[0] == '?'))
			return refuse(r, "expected elements only, found a "
					 "declaration, comment or instruction");
		TRY(take_byte(r, '/') ? take_end(r) : take_start(r));
	}
	if (r->open != NULL || r->x->n_nodes == 0)
		return refuse(r, "the document is not complete");
	return OK;
}

static size_t count(struct slice s, uint8_t c)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		n += s.p[i] == c;
	return n;
}

enum status gpu_xml_parse(struct slice in, struct gpu_xml **out,
			  struct err *err)
{
	if (in.len > GPU_XML_MAX)
		return err_set(err, E_LIMIT, "RIM: %zu bytes, want at most %u",
			       in.len, GPU_XML_MAX);
	auto_gpu_xml struct gpu_xml *x = mem_must(sizeof(*x));
	/* A tag and the text behind it, and an = in each attribute. */
	x->cap_nodes = 2 * count(in, '<');
	x->cap_attrs = count(in, '=');
	if (x->cap_nodes > NODES_MAX || x->cap_attrs > ATTRS_MAX)
		return err_set(err, E_LIMIT,
			       "RIM: more elements or attributes than any "
			       "that is known");
	x->node = mem_calloc(x->cap_nodes, sizeof(*x->node));
	x->attr = mem_calloc(x->cap_attrs, sizeof(*x->attr));
	if (x->node == NULL || x->attr == NULL)
		return err_set(err, E_NOMEM, "RIM: no memory");
	struct reader r = { .x = x, .in = in, .rest = in, .err = err };
	TRY(take_document(&r));
	*out = take(x);
	return OK;
}

/* ---- Looking at it ---- */

const struct gpu_xml_node *gpu_xml_root(const struct gpu_xml *x)
{
	return &x->node[0];
}

bool gpu_xml_is(const struct gpu_xml_node *n, const char *uri,
		const char *local)
{
	return n != NULL && !n->is_text && slice_eq_str(n->uri, uri) &&
	       slice_eq_str(n->local, local);
}

static const struct gpu_xml_node *element(const struct gpu_xml_node *n)
{
	while (n != NULL && n->is_text)
		n = n->next;
	return n;
}

const struct gpu_xml_node *gpu_xml_first(const struct gpu_xml_node *n)
{
	return element(n->first);
}

const struct gpu_xml_node *gpu_xml_next(const struct gpu_xml_node *n)
{
	return element(n->next);
}

const struct gpu_xml_attr *gpu_xml_attr(const struct gpu_xml_node *n,
					const char *uri, const char *local)
{
	for (size_t i = 0; i < n->n_attrs; i++)
		if (slice_eq_str(n->attr[i].local, local) &&
		    slice_eq_str(n->attr[i].uri, uri == NULL ? "" : uri))
			return &n->attr[i];
	return NULL;
}

bool gpu_xml_no_text(const struct gpu_xml_node *n)
{
	for (const struct gpu_xml_node *c = n->first; c != NULL; c = c->next)
		if (c->is_text && !all_space(c->text))
			return false;
	return true;
}

bool gpu_xml_text(const struct gpu_xml_node *n, struct slice *out)
{
	*out = (struct slice){ 0 };
	if (n->first == NULL)
		return true;
	if (!n->first->is_text || n->first->next != NULL)
		return false;
	*out = n->first->text;
	return true;
}
