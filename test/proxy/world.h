/* For tests of the proxy: a fake model server, an endpoint in front of it,
 * and a client that speaks to it by hand, all in one loop. */
#ifndef CONFD_TEST_PROXY_WORLD_H
#define CONFD_TEST_PROXY_WORLD_H

#include "core/clock.h"
#include "proxy/endpoint.h"
#include "test/fake/upstream.h"
#include "test/test.h"

#define WORLD_KEY_ID 7
#define WORLD_ANSWER_MAX (64u << 20)

/* Run the loop until expr holds, for up to 5 s; whether it holds then. */
/* clang-format off */
#define WORLD_UNTIL(w_, expr)                                        \
	__extension__({                                              \
		int64_t until_ = clock_mono_ms() + 5000;             \
		while (!(expr) && clock_mono_ms() < until_)          \
			loop_run_once((w_)->loop, 10);               \
		EXPECT(expr);                                        \
	})
/* clang-format on */

struct world {
	struct loop *loop;
	struct fake fake;
	struct adapter_set adapters;
	struct endpoint_settings set;
	struct endpoint *endpoint;
	struct listener *listener;
	struct addr at; /* of the endpoint */
	struct ohttp_config config;
	struct buf keybox;
	struct outcome line; /* of the latest exchange */
	unsigned lines;
};

/* Everything with small limits, keys and a lease; false when that failed.
 * set_up (may be NULL) changes the settings before they are used. */
bool world_start(struct world *w, void (*set_up)(struct world *w));
void world_stop(struct world *w);

/* A set_up: messages of up to 256 MiB, and time for them. */
void world_large(struct world *w);

/* The keybox with one key, of this id and made from this seed, valid from an
 * hour ago to an hour from now. */
void world_put_keys(struct buf *out, uint64_t revision, uint8_t id,
		    uint8_t seed, struct ohttp_config *config);

/* Run the loop for so long. */
void world_run(struct world *w, int64_t ms);

/* Run it until the fake has sent nothing more for 100 ms (or for 5 s); how
 * much it has sent by then. */
uint64_t world_stalled(struct world *w);

/* One request. */
struct asker {
	struct world *w;
	enum ohttp_form form;
	struct ohttp_client *seal;
	struct buf sealed;
	struct http_client *client;

	/* What came of it, outside. */
	bool done, failed;
	struct err why;
	unsigned status;
	char type[80];
	char retry[16];
	struct buf body;
	size_t body_max; /* pause from here on; 0: never */

	/* And inside, after asker_open. */
	enum status opened;
	unsigned inner;
	struct buf head; /* "name: value\n" ... */
	struct buf content;
	unsigned pieces; /* that the content came in */
	bool whole;	 /* the end was seen */
};

void asker_init(struct asker *a, struct world *w, enum ohttp_form form);
void asker_done(struct asker *a);

/* Append plain bytes to what is sealed. */
void asker_seal(struct asker *a, struct slice plain, bool final);

/* Seal a request: method, path, content type (or NULL), further headers as
 * "name: value\n..." (or NULL), content. */
struct ask {
	const char *method, *path, *type, *headers;
	struct slice content;
};
void asker_put_head(struct buf *out, const struct ask *ask);
void asker_seal_ask(struct asker *a, const struct ask *ask);

/* Send what is sealed; asker_begin sends it without an end. */
void asker_send(struct asker *a);
void asker_begin(struct asker *a);

/* Until it is answered, or failed. */
bool asker_wait(struct asker *a);

/* Open what came, with a claim that nothing follows it or not. */
void asker_open(struct asker *a, bool last);

/* All of it, for a chat request in JSON; true when it was answered 200
 * outside and opens. */
bool asker_run(struct asker *a, const struct ask *ask);

/* Run one request and look at its status inside; nothing else is wrong. */
bool asker_inside(struct asker *a, struct world *w, struct ask ask,
		  unsigned status);

/* A POST of a chat, plain and streaming; headers as above. */
struct ask ask_chat(const char *headers);
struct ask ask_stream(const char *headers);

bool buf_has(const struct buf *b, const char *text);

#endif
