/* Canonical XML 1.1 of what gpu_xml_parse() reads: since that takes neither
 * references nor xml: attributes nor bytes that need escaping, only the order
 * and choice of attributes and name spaces is left to do. */
#include "attest/tee/gpu_xml.h"

/* By bytes; the shorter first. */
static int compare(struct slice a, struct slice b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int order = n == 0 ? 0 : memcmp(a.p, b.p, n);

	if (order != 0)
		return order;
	return (a.len > b.len) - (a.len < b.len);
}

/* Name spaces by prefix, the default first: their uri is empty. */
static bool is_before(const struct gpu_xml_attr *a,
		      const struct gpu_xml_attr *b)
{
	int order = compare(a->uri, b->uri);

	return order < 0 || (order == 0 && compare(a->local, b->local) < 0);
}

struct list {
	size_t n;
	const struct gpu_xml_attr *item[GPU_XML_DEPTH * GPU_XML_ATTRS];
};

/* Keep it sorted; n never passes what all ancestors together can declare. */
static void insert(struct list *l, const struct gpu_xml_attr *a)
{
	size_t i = l->n++;

	for (; i > 0 && is_before(a, l->item[i - 1]); i--)
		l->item[i] = l->item[i - 1];
	l->item[i] = a;
}

static bool has_prefix(const struct list *l, struct slice prefix)
{
	for (size_t i = 0; i < l->n; i++)
		if (slice_eq(l->item[i]->local, prefix))
			return true;
	return false;
}

static void put_value(const struct gpu_xml_attr *a, struct buf *out)
{
	buf_put(out, a->local);
	buf_put(out, S("=\""));
	buf_put(out, a->value);
	buf_put_u8(out, '"');
}

/* C14N s2.3: what is declared in n and was not in force around it.  Around
 * the apex nothing is, so all that is in force there is written. */
static void put_spaces(const struct gpu_xml_node *n, bool apex, struct buf *out)
{
	struct list l = { 0 };

	for (const struct gpu_xml_node *at = n; at != NULL; at = at->parent) {
		for (size_t i = 0; i < at->n_spaces; i++) {
			struct slice prefix = at->space[i].local;
			bool known = !apex &&
				     gpu_xml_space(n->parent, prefix).len > 0;

			if (!known && !has_prefix(&l, prefix))
				insert(&l, &at->space[i]);
		}
		if (!apex)
			break;
	}
	for (size_t i = 0; i < l.n; i++) {
		buf_put(out, S(" xmlns"));
		if (l.item[i]->local.len > 0)
			buf_put_u8(out, ':');
		put_value(l.item[i], out);
	}
}

static void put_attrs(const struct gpu_xml_node *n, struct buf *out)
{
	struct list l = { 0 };

	for (size_t i = 0; i < n->n_attrs; i++)
		insert(&l, &n->attr[i]);
	for (size_t i = 0; i < l.n; i++) {
		buf_put_u8(out, ' ');
		buf_put(out, l.item[i]->prefix);
		if (l.item[i]->prefix.len > 0)
			buf_put_u8(out, ':');
		put_value(l.item[i], out);
	}
}

static void put_name(const struct gpu_xml_node *n, struct buf *out)
{
	buf_put(out, n->prefix);
	if (n->prefix.len > 0)
		buf_put_u8(out, ':');
	buf_put(out, n->local);
}

static void put_start(const struct gpu_xml_node *n, bool apex, struct buf *out)
{
	buf_put_u8(out, '<');
	put_name(n, out);
	put_spaces(n, apex, out);
	put_attrs(n, out);
	buf_put_u8(out, '>');
}

static void put_end(const struct gpu_xml_node *n, struct buf *out)
{
	buf_put(out, S("</"));
	put_name(n, out);
	buf_put_u8(out, '>');
}

/* Done with n: close all that ends with it; what comes next, or NULL. */
static const struct gpu_xml_node *leave(const struct gpu_xml_node *n,
					const struct gpu_xml_node *apex,
					struct buf *out)
{
	while (n != apex && n->next == NULL) {
		n = n->parent;
		put_end(n, out);
	}
	return n == apex ? NULL : n->next;
}

void gpu_xml_canonical(const struct gpu_xml_node *apex,
		       const struct gpu_xml_node *except, struct buf *out)
{
	const struct gpu_xml_node *n = apex;

	while (n != NULL) {
		bool written = n != except;

		if (written && n->is_text)
			buf_put(out, n->text);
		if (written && !n->is_text)
			put_start(n, n == apex, out);
		if (written && n->first != NULL) {
			n = n->first;
			continue;
		}
		if (written && !n->is_text)
			put_end(n, out);
		n = leave(n, apex, out);
	}
}
