/* The fake model server as a program: see upstream.h.
 *
 *	upstream --listen ADDR [--mode MODE] [--die-mid-stream] [--events N]
 *		 [--delay MS] [--size BYTES] [--port-file FILE]
 *
 * ADDR is HOST:PORT (port 0: any) or unix:PATH.  The address is printed, and
 * written to FILE, when it listens. */
#include "test/fake/upstream.h"

#include <signal.h>

#include "core/file.h"

struct options {
	const char *listen, *mode, *file;
	uint64_t events, delay, size;
};

static bool number(const char *s, uint64_t *out)
{
	return s != NULL && slice_u64(slice_str(s), out);
}

static bool read_option(struct options *o, const char *name, const char *value)
{
	const struct {
		const char *name;
		const char **text;
		uint64_t *number;
	} known[] = {
		{ "--listen", &o->listen, NULL },
		{ "--mode", &o->mode, NULL },
		{ "--port-file", &o->file, NULL },
		{ "--events", NULL, &o->events },
		{ "--delay", NULL, &o->delay },
		{ "--size", NULL, &o->size },
	};

	for (size_t i = 0; i < countof(known); i++) {
		if (strcmp(name, known[i].name) != 0 || value == NULL)
			continue;
		if (known[i].number != NULL)
			return number(value, known[i].number);
		*known[i].text = value;
		return true;
	}
	return false;
}

static bool read_options(struct options *o, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--die-mid-stream") == 0)
			o->mode = "die";
		else if (!read_option(o, argv[i], argv[i + 1]))
			return false;
		else
			i++;
	}
	return o->listen != NULL;
}

static void on_term(void *ctx)
{
	loop_stop(ctx);
}

static enum status serve(const struct options *o, struct err *err)
{
	auto_loop struct loop *l = NULL;
	char text[ADDR_TEXT_SIZE];
	struct addr at;
	struct fake f;

	TRY(addr_parse(o->listen, 0, &at, err));
	TRY(loop_new(&l, err));
	TRY(fake_start(&f, l, &at, err));
	f.mode = o->mode;
	f.events = (unsigned)o->events;
	f.delay = (int64_t)o->delay;
	f.size = o->size;
	addr_text(&f.at, text);
	printf("%s\n", text);
	(void)fflush(stdout);
	if (o->file != NULL)
		TRY(file_write(o->file, slice_str(text), 0644, err));
	struct loop_signal *term = loop_signal_new(l, SIGTERM, on_term, l);
	loop_run(l);
	loop_signal_free(term);
	fake_stop(&f);
	return OK;
}

int main(int argc, char **argv)
{
	struct options o = { .events = 4, .size = 1u << 20 };
	struct err err;

	if (!read_options(&o, argc, argv)) {
		(void)fprintf(stderr,
			      "upstream --listen ADDR [--mode MODE] "
			      "[--die-mid-stream] [--events N] [--delay MS] "
			      "[--size BYTES] [--port-file FILE]\n");
		return 64;
	}
	if (serve(&o, &err) != OK) {
		(void)fprintf(stderr, "upstream: %s\n", err.text);
		return 1;
	}
	return 0;
}
