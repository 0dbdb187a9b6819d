#include "cmd/applet.h"

#include <stdio.h>

#include "core/cleanup.h"
#include "core/file.h"
#include "test/test.h"

/* The page of an applet; false when there is none. */
static bool read_page(const char *name, struct buf *out)
{
	char path[128];
	struct err err;

	for (int section = 1; section <= 8; section += 7) {
		(void)snprintf(path, sizeof(path), "man/confd-%s.%d", name,
			       section);
		if (file_read(path, out, &err) == OK)
			return true;
	}
	return false;
}

/* ".Fl Fl name" somewhere, not followed by more of a name. */
static bool has_option(struct slice page, const char *name)
{
	char want[80];

	(void)snprintf(want, sizeof(want), "Fl Fl %s", name);
	while (page.len > 0) {
		page = slice_from(page, slice_search(page, slice_str(want)));
		page = slice_from(page, strlen(want));
		if (page.len > 0 && (page.p[0] == ' ' || page.p[0] == '\n'))
			return true;
	}
	return false;
}

static void check_options(const struct applet *a, const struct opt_table *t,
			  struct slice page)
{
	for (size_t i = 0; i < t->n; i++) {
		if ((t->rows[i].flags & OPT_HIDDEN) != 0)
			continue;
		if (!has_option(page, t->rows[i].name))
			printf("confd-%s: --%s is not in its page\n", a->name,
			       t->rows[i].name);
		EXPECT(has_option(page, t->rows[i].name));
	}
}

TEST(every_applet_has_a_page_with_all_its_options)
{
	for (size_t i = 0; i < n_applets; i++) {
		auto_buf struct buf page = buf_make(1u << 20);
		const struct applet *a = applets[i];

		if (!read_page(a->name, &page)) {
			printf("confd-%s: no page\n", a->name);
			EXPECT((a->needs & IS_INTERNAL) != 0);
			continue;
		}
		for (size_t v = 0; v < a->n_verbs; v++)
			check_options(a, &a->verbs[v].opts, buf_slice(&page));
	}
}

TEST(the_common_options_are_in_the_first_page)
{
	auto_buf struct buf page = buf_make(1u << 20);
	struct err err;

	CHECK(file_read("man/confd.1", &page, &err) == OK);
	for (size_t i = 0; i < applet_common.n; i++)
		CHECK(has_option(buf_slice(&page), applet_common.rows[i].name));
}

TEST(the_first_page_lists_every_applet)
{
	auto_buf struct buf page = buf_make(1u << 20);
	struct err err;

	CHECK(file_read("man/confd.1", &page, &err) == OK);
	for (size_t i = 0; i < n_applets; i++) {
		char want[80];

		if ((applets[i]->needs & IS_INTERNAL) != 0)
			continue;
		(void)snprintf(want, sizeof(want), "\n.It Cm %s\n",
			       applets[i]->name);
		if (slice_search(buf_slice(&page), slice_str(want)) == page.len)
			printf("confd(1) does not list %s\n", applets[i]->name);
		EXPECT(slice_search(buf_slice(&page), slice_str(want)) <
		       page.len);
	}
}

/* Options sorted, no two alike, every help one line without a full stop. */
static void check_table(const struct applet *a, const struct opt_table *t)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct opt *o = &t->rows[i];
		size_t n = strlen(o->help);

		if (i > 0 && strcmp(t->rows[i - 1].name, o->name) >= 0) {
			printf("confd %s: --%s is out of order\n", a->name,
			       o->name);
			EXPECT(false);
		}
		EXPECT(n > 0 && o->help[n - 1] != '.');
		EXPECT(strchr(o->help, '\n') == NULL);
	}
}

TEST(tables_are_sorted_and_their_texts_of_one_form)
{
	for (size_t i = 0; i < n_applets; i++) {
		EXPECT(applets[i]->n_verbs > 0);
		for (size_t v = 0; v < applets[i]->n_verbs; v++)
			check_table(applets[i], &applets[i]->verbs[v].opts);
	}
}

TEST(names_are_found_with_and_without_the_prefix)
{
	CHECK(applet_find("as") == applet_find("confd-as"));
	CHECK(applet_find("as") != NULL && applet_find("confd") == NULL);
	CHECK(applet_find("confd-confd-as") == NULL);
	CHECK(strcmp(applet_near("clinet"), "client") == 0);
}
