/* A small strict XML reader, and its canonical form, for reference integrity
 * manifests: as much of XML 1.0 and Namespaces 1.0 as those use, and nothing
 * else.
 *
 * Refused, though XML allows them: document types, entities and character
 * references, processing instructions, comments, CDATA, any byte but printable
 * ASCII, tab and line feed, attribute values in single quotes or with line
 * breaks, ">" in text, names that begin with "xml" (xml:id, xml:base), a
 * prefix that means another name space than further out, and the empty name
 * space.  So what is read is what is signed: canonicalising changes only the
 * order of attributes, the space in tags, and empty elements. */
#ifndef CONFD_ATTEST_TEE_GPU_XML_H
#define CONFD_ATTEST_TEE_GPU_XML_H

#include "core/buf.h"

#define GPU_XML_MAX (256u << 10) /* bytes */
#define GPU_XML_DEPTH 8		 /* elements within one another */
#define GPU_XML_ATTRS 64 /* attributes of one element, xmlns with them */

/* An attribute, or a declaration of a name space: then local is the prefix
 * (empty: the default) and value the name space.  All slices point into the
 * text, or are empty. */
struct gpu_xml_attr {
	struct slice prefix, local, uri, value;
};

/* An element, or the text between two tags (then prefix and local are
 * empty). */
struct gpu_xml_node {
	bool is_text;
	struct slice text;
	struct slice prefix, local, uri;
	size_t n_attrs, n_spaces;
	const struct gpu_xml_attr *attr;  /* as they stand there */
	const struct gpu_xml_attr *space; /* declared here */
	const struct gpu_xml_node *parent, *first, *next;
};

struct gpu_xml; /* a document; owns its nodes, borrows the text */

/* Read a document.  in must live as long as *out.
 *
 * in	untrusted, any length.
 * out	written only on OK.
 *
 * E_PARSE	not XML, or more of it than is allowed here; with the line.
 * E_LIMIT	more than the caps above.  E_NOMEM. */
enum status gpu_xml_parse(struct slice in, struct gpu_xml **out,
			  struct err *err);
void gpu_xml_free(struct gpu_xml *x);
static inline void gpu_xml_freep(struct gpu_xml **x)
{
	gpu_xml_free(*x);
}
#define auto_gpu_xml __attribute__((cleanup(gpu_xml_freep)))

/* The outermost element; it lives as long as x, as all its nodes. */
const struct gpu_xml_node *gpu_xml_root(const struct gpu_xml *x);

/* True for an element of that name space and name. */
bool gpu_xml_is(const struct gpu_xml_node *n, const char *uri,
		const char *local);

/* The first element in n, and the next beside n; NULL: none. */
const struct gpu_xml_node *gpu_xml_first(const struct gpu_xml_node *n);
const struct gpu_xml_node *gpu_xml_next(const struct gpu_xml_node *n);

/* The attribute of that name space (NULL: of none) and name; NULL: none. */
const struct gpu_xml_attr *gpu_xml_attr(const struct gpu_xml_node *n,
					const char *uri, const char *local);

/* True when nothing but white space stands in n beside elements. */
bool gpu_xml_no_text(const struct gpu_xml_node *n);

/* The text in n; false when there are elements in it. */
bool gpu_xml_text(const struct gpu_xml_node *n, struct slice *out);

/* The name space of a prefix (empty: the default) in n; empty: none. */
struct slice gpu_xml_space(const struct gpu_xml_node *n, struct slice prefix);

/* Append the canonical form (Canonical XML 1.1, inclusive, without comments)
 * of n and all in it but `except` (NULL: all).  n is a document's root, or an
 * element whose ancestors are not part of what is signed. */
void gpu_xml_canonical(const struct gpu_xml_node *n,
		       const struct gpu_xml_node *except, struct buf *out);

#endif
