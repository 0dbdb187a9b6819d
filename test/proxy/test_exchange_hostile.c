#include "proxy/bhttp.h"
#include "proxy/date.h"
#include "test/proxy/world.h"

/* ---- what attackers do ------------------------------------------------------------------------ */

/* Send bytes as they are; the status outside. */
static unsigned send_raw(struct world *w, enum ohttp_form form,
			 struct slice sealed, struct asker *a)
{
	asker_init(a, w, form);
	buf_put(&a->sealed, sealed);
	asker_send(a);
	return asker_wait(a) && EXPECT(!a->failed) ? a->status : 0;
}

static void tamper(enum ohttp_form form)
{
	struct world w;
	struct asker good, a;
	struct ask ask = ask_chat(NULL);
	auto_buf struct buf bytes = buf_make(4096);

	if (!world_start(&w, NULL))
		return;
	asker_init(&good, &w, form);
	asker_seal_ask(&good, &ask);
	for (size_t i = 0; i < good.sealed.len; i++) {
		struct slice all = buf_slice(&good.sealed);
		uint8_t bit = (uint8_t)(1u << i % 8);

		buf_clear(&bytes);
		buf_put(&bytes, slice_sub(all, 0, i));
		buf_put_u8(&bytes, all.p[i] ^ bit);
		buf_put(&bytes, slice_from(all, i + 1));
		unsigned status = send_raw(&w, form, buf_slice(&bytes), &a);
		bool length = form == OHTTP_CHUNKED && i == OHTTP_HEADER_LEN;
		(void)EXPECT(i == 0   ? status == 422
			     : length ? status == 400 || status == 413
				      : status == 400);
		(void)EXPECT(buf_has(&a.body, i == 0 ? REFUSAL_OHTTP_KEY
					      : status == 413
						      ? "too-large"
						      : "undecryptable"));
		asker_done(&a);
	}
	(void)EXPECT(w.fake.conns == 0);
	/* And unaltered it is still good: none of these was it. */
	(void)EXPECT(send_raw(&w, form, buf_slice(&good.sealed), &a) == 200);
	(void)EXPECT(w.fake.requests == 1);
	asker_done(&a);
	asker_done(&good);
	world_stop(&w);
}

TEST(every_altered_byte_of_a_chunked_request_is_noticed)
{
	tamper(OHTTP_CHUNKED);
}

TEST(every_altered_byte_of_a_whole_request_is_noticed)
{
	tamper(OHTTP_WHOLE);
}

TEST(a_request_cut_anywhere_is_refused)
{
	struct world w;
	struct asker good, a;
	struct ask ask = ask_chat(NULL);

	CHECK(world_start(&w, NULL));
	asker_init(&good, &w, OHTTP_CHUNKED);
	asker_seal_ask(&good, &ask);
	for (size_t n = 0; n < good.sealed.len; n++) {
		unsigned status =
			send_raw(&w, OHTTP_CHUNKED,
				 slice_sub(buf_slice(&good.sealed), 0, n), &a);

		(void)EXPECT(status == 400);
		(void)EXPECT(buf_has(&a.body, "undecryptable"));
		asker_done(&a);
	}
	(void)EXPECT(w.fake.conns == 0);
	asker_done(&good);
	world_stop(&w);
}

TEST(a_request_cut_behind_its_first_chunk_never_ends_at_the_workload)
{
	struct world w;
	struct asker a;
	struct ask ask = ask_chat(NULL);
	auto_buf struct buf plain = buf_make(4096);

	CHECK(world_start(&w, NULL));
	asker_init(&a, &w, OHTTP_CHUNKED);
	asker_put_head(&plain, &ask);
	bhttp_put_content(&plain, S("{\"model\":"));
	asker_seal(&a, buf_slice(&plain), false);
	asker_begin(&a);
	(void)EXPECT(WORLD_UNTIL(&w, w.fake.heads == 1));
	http_client_body_end(a.client);
	(void)EXPECT(asker_wait(&a) && a.status == 400);
	(void)EXPECT(WORLD_UNTIL(&w, w.fake.aborts == 1));
	(void)EXPECT(w.fake.requests == 0);
	asker_done(&a);
	world_stop(&w);
}

TEST(a_request_is_served_once)
{
	static const enum ohttp_form forms[] = { OHTTP_CHUNKED, OHTTP_WHOLE };
	struct world w;
	struct asker a, again;
	struct ask ask = ask_chat(NULL);

	CHECK(world_start(&w, NULL));
	for (size_t i = 0; i < countof(forms); i++) {
		asker_init(&a, &w, forms[i]);
		(void)EXPECT(asker_run(&a, &ask));
		unsigned status =
			send_raw(&w, forms[i], buf_slice(&a.sealed), &again);
		(void)EXPECT(status == 409);
		(void)EXPECT(buf_has(&again.body, "urn:confd:error:replay"));
		asker_done(&again);
		asker_done(&a);
	}
	(void)EXPECT(w.fake.requests == countof(forms));
	world_stop(&w);
}

TEST(nothing_is_said_before_the_first_chunk_is_authentic)
{
	struct world w;
	struct asker a;
	struct ask ask = ask_chat(NULL);

	CHECK(world_start(&w, NULL));
	asker_init(&a, &w, OHTTP_CHUNKED);
	asker_seal_ask(&a, &ask);
	buf_cut(&a.sealed, a.sealed.len - 1);
	asker_begin(&a);
	world_run(&w, 100);
	(void)EXPECT(a.status == 0 && a.body.len == 0 && w.fake.conns == 0);
	asker_done(&a);
	world_stop(&w);
}

TEST(a_request_may_come_a_byte_at_a_time)
{
	struct world w;
	struct asker a;
	struct ask ask = ask_chat(NULL);
	auto_buf struct buf all = buf_make(4096);

	CHECK(world_start(&w, NULL));
	asker_init(&a, &w, OHTTP_CHUNKED);
	asker_seal_ask(&a, &ask);
	buf_put(&all, buf_slice(&a.sealed));
	buf_clear(&a.sealed);
	asker_begin(&a);
	for (size_t i = 0; i < all.len; i++) {
		http_client_body(a.client, slice_sub(buf_slice(&all), i, 1));
		loop_run_once(w.loop, 5);
		loop_run_once(w.loop, 0);
	}
	http_client_body_end(a.client);
	(void)EXPECT(asker_wait(&a) && a.status == 200);
	asker_open(&a, true);
	(void)EXPECT(a.inner == 200 && a.whole);
	asker_done(&a);
	world_stop(&w);
}

TEST(no_plaintext_is_on_the_wire)
{
	struct world w;
	struct asker a;
	struct ask ask = ask_chat("x-fake: echo\nauthorization: canary-head");

	CHECK(world_start(&w, NULL));
	ask.content = S("{\"prompt\":\"canary-body\"}");
	(void)asker_inside(&a, &w, ask, 200);
	(void)EXPECT(buf_has(&a.content, "canary-head"));
	(void)EXPECT(buf_has(&a.content, "canary-body"));
	(void)EXPECT(!buf_has(&a.sealed, "canary"));
	(void)EXPECT(!buf_has(&a.body, "canary"));
	asker_done(&a);
	world_stop(&w);
}

/* ---- the time of a request ---------------------------------------------------------------------- */

static void dated(struct world *w, int64_t at, bool served)
{
	char headers[64] = "date: ";
	struct asker a;

	date_format(headers + 6, at);
	(void)asker_inside(&a, w, ask_chat(headers), served ? 200 : 400);
	(void)EXPECT(buf_has(&a.head, "confd-refused: date\n") == !served);
	(void)EXPECT(buf_has(&a.content, REFUSAL_DATE) == !served);
	asker_done(&a);
}

TEST(a_request_of_another_time_is_refused_with_the_time)
{
	struct world w;
	int64_t now = clock_wall();

	clock_set_wall_for_tests(now - 1000);
	CHECK(world_start(&w, NULL));
	clock_set_wall_for_tests(now);
	dated(&w, now, true);
	dated(&w, now - EXCHANGE_DATE_WINDOW, true);
	dated(&w, now - EXCHANGE_DATE_WINDOW - 1, false);
	dated(&w, now + EXCHANGE_DATE_WINDOW, true);
	dated(&w, now + EXCHANGE_DATE_WINDOW + 1, false);
	(void)EXPECT(w.fake.requests == 3);
	clock_set_wall_for_tests(-1);
	world_stop(&w);
}

TEST(a_request_from_before_the_proxy_is_refused)
{
	struct world w;
	int64_t now = clock_wall();

	clock_set_wall_for_tests(now);
	CHECK(world_start(&w, NULL));
	dated(&w, now, true);
	dated(&w, now - 1, false);
	clock_set_wall_for_tests(-1);
	world_stop(&w);
}

TEST(a_date_that_is_none_is_refused)
{
	struct world w;
	struct asker a;

	CHECK(world_start(&w, NULL));
	(void)asker_inside(&a, &w, ask_chat("date: yesterday"), 400);
	(void)EXPECT(buf_has(&a.head, "confd-refused: date\n"));
	(void)EXPECT(w.fake.conns == 0);
	asker_done(&a);
	world_stop(&w);
}
