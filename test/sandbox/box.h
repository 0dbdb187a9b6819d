/* A sandbox for tests: its workload is test/fake/sandbox_guest in some role,
 * or test/hostile/sandbox_probe. */
#ifndef CONFD_TEST_SANDBOX_BOX_H
#define CONFD_TEST_SANDBOX_BOX_H

#include "core/buf.h"
#include "core/io/loop.h"
#include "sandbox/supervise.h"

#define BOX_PORT 8000

struct box {
	struct loop *loop;
	struct supervise *s;
	int link;    /* the proxy's end */
	int changed; /* how often it was said */
	struct err err;

	const char *argv[8];
	const char *env[8];
	struct sandbox_spec spec;
	struct runtime_settings settings;
};

/* Why sandboxes cannot be tested here, or NULL. */
const char *box_missing(void);

/* The absolute path of a program built beside the tests, or NULL. */
const char *box_program(const char *name);

/* Ready to be started with a role of the guest and its argument, or the probe
 * ("leaks", NULL); a test may change spec and settings before. */
void box_init(struct box *b, const char *role, const char *arg);

bool box_start(struct box *b);

/* Run the loop until it ended, at most ms. */
bool box_wait(struct box *b, int64_t ms);

/* Run the loop until text was printed, at most ms. */
bool box_printed(struct box *b, const char *text, int64_t ms);

/* Everything that was printed, NUL-terminated; the caller's out. */
const char *box_output(const struct box *b, struct buf *out);

/* True when the probe found every wall; prints what it did not. */
bool box_held(const struct box *b);

/* A connection to the workload's port: our end, blocking, with a time-out of
 * 5 s on reading. */
int box_dial(struct box *b);

void box_done(struct box *b);
#define auto_box __attribute__((cleanup(box_done)))

/* Start in a test, or leave it: skipped where this user may not. */
#define BOX_START(b)                                      \
	do {                                              \
		if (!box_start(b)) {                      \
			if ((b)->err.code == E_PERM)      \
				SKIP("not allowed here"); \
			printf("\t%s\n", (b)->err.text);  \
			CHECK((b)->err.code == OK);       \
			return;                           \
		}                                         \
	} while (0)

#define BOX_NEEDED                           \
	do {                                 \
		if (box_missing() != NULL)   \
			SKIP(box_missing()); \
	} while (0)

#endif
