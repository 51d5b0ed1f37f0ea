/* Programs that use proton-c. The first argument is the role, the others are `key=value`. Each line of output is a figure.

     version                                      the version of the headers this was built with
     codec op=OP millis=N                         encodes or decodes one message repeatedly
     engine mode=MODE size=N typical=0|1 messages=N warm=N   two connection drivers, joined in memory
     recv port=N [tls=DIR] [hold=1] [window=N]    listens; accepts and settles messages, or keeps them unsettled
     send port=N mode=MODE size=N messages=N warm=N [tls=DIR]   one connection and one link
     memory port=N what=WHAT count=N              opens that many objects, and prints the memory of each

   MODE is ack (at least once, many at a time), pre (sent settled) or alone (one at a time). */
#include <proton/codec.h>
#include <proton/connection.h>
#include <proton/connection_driver.h>
#include <proton/delivery.h>
#include <proton/event.h>
#include <proton/link.h>
#include <proton/listener.h>
#include <proton/message.h>
#include <proton/proactor.h>
#include <proton/sasl.h>
#include <proton/session.h>
#include <proton/ssl.h>
#include <proton/transport.h>
#include <proton/version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int argc;
static char **argv;

static const char *text(const char *key, const char *otherwise) {
  size_t length = strlen(key);
  for (int i = 2; i < argc; i++)
    if (!strncmp(argv[i], key, length) && argv[i][length] == '=') return argv[i] + length + 1;
  return otherwise;
}

static long number(const char *key, long otherwise) {
  const char *found = text(key, NULL);
  return found ? atol(found) : otherwise;
}

static void fail(const char *why, const char *more) {
  fprintf(stderr, "proton-c: %s%s%s\n", why, more ? ": " : "", more ? more : "");
  exit(1);
}

static void *room(size_t octets) {
  void *made = calloc(1, octets);
  if (!made) fail("no memory", NULL);
  return made;
}

static double nanos(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1e9 + now.tv_nsec;
}

static int by_size(const void *left, const void *right) {
  double a = *(const double *)left, b = *(const double *)right;
  return (a > b) - (a < b);
}

/* --- messages --- */

static void put_text(pn_data_t *to, const char *words) { pn_data_put_string(to, pn_bytes(strlen(words), words)); }

static pn_message_t *plain(size_t size) {
  pn_message_t *made = pn_message();
  char *body = room(size + 1);
  pn_message_set_inferred(made, true);
  pn_data_put_binary(pn_message_body(made), pn_bytes(size, body));
  free(body);
  return made;
}

/* A durable message with an id, an address and four application-properties. */
static pn_message_t *typical(size_t size) {
  pn_message_t *made = plain(size);
  pn_message_set_durable(made, true);
  put_text(pn_message_id(made), "3f1c2a7e-88d1-4b60-9a5c-0d6f1e2b3c4d");
  pn_message_set_address(made, "queue/orders");
  pn_data_t *map = pn_message_properties(made);
  pn_data_put_map(map);
  pn_data_enter(map);
  put_text(map, "tenant"), put_text(map, "acme");
  put_text(map, "kind"), put_text(map, "order.created");
  put_text(map, "attempt"), pn_data_put_int(map, 1000);
  put_text(map, "trace"), pn_data_put_long(map, 0x112233445566LL);
  pn_data_exit(map);
  return made;
}

static volatile size_t seen;

/* Reads all fields of a typical message. */
static void read_all(pn_message_t *message) {
  seen += pn_message_is_durable(message);
  pn_data_t *id = pn_message_id(message);
  pn_data_rewind(id);
  if (pn_data_next(id)) seen += pn_data_get_string(id).size;
  const char *address = pn_message_get_address(message);
  seen += address ? strlen(address) : 0;
  pn_data_t *map = pn_message_properties(message);
  pn_data_rewind(map);
  if (pn_data_next(map) && pn_data_enter(map)) {
    while (pn_data_next(map)) {
      seen += pn_data_get_string(map).size;
      if (!pn_data_next(map)) break;
      switch (pn_data_type(map)) {
        case PN_STRING: seen += pn_data_get_string(map).size; break;
        case PN_INT: seen += (size_t)pn_data_get_int(map); break;
        case PN_LONG: seen += (size_t)pn_data_get_long(map); break;
        default: fail("a property of another type", NULL);
      }
    }
  }
  pn_data_t *body = pn_message_body(message);
  pn_data_rewind(body);
  if (!pn_data_next(body)) fail("no body", NULL);
  seen += pn_data_get_binary(body).size;
}

static void read_body(pn_message_t *message) {
  pn_data_t *body = pn_message_body(message);
  pn_data_rewind(body);
  if (!pn_data_next(body)) fail("no body", NULL);
  seen += pn_data_get_binary(body).size;
}

/* --- codec --- */

static void codec(void) {
  const char *op = text("op", "");
  int is_typical = !strncmp(op, "typical", 7), is_encode = strstr(op, "encode") != NULL, is_read = strstr(op, "read") != NULL;
  pn_message_t *out = is_typical ? typical(256) : plain(256), *in = pn_message();
  char buffer[4096];
  size_t length = sizeof buffer;
  if (pn_message_encode(out, buffer, &length)) fail("cannot encode", NULL);
  double budget = number("millis", 20) * 1e6, samples[5];
  long times = 16;
  for (int at = -1; at < 5;) { /* the first batches find how many calls fill the time */
    double start = nanos();
    for (long i = 0; i < times; i++) {
      if (is_encode) {
        size_t wrote = sizeof buffer;
        if (pn_message_encode(out, buffer, &wrote)) fail("cannot encode", NULL);
      } else {
        if (pn_message_decode(in, buffer, length)) fail("cannot decode", NULL);
        if (is_read) read_all(in);
        else read_body(in);
      }
    }
    double took = nanos() - start;
    if (at < 0 && took < budget) {
      times *= 2;
      continue;
    }
    if (at >= 0) samples[at] = took / times;
    at++;
  }
  qsort(samples, 5, sizeof *samples, by_size);
  printf("nanos %.3f\n", samples[2]);
}

/* --- both ends in memory --- */

static struct {
  pn_connection_driver_t out, in;
  pn_link_t *sender;
  pn_message_t *message, *taken;
  char *wire, *buffer;
  size_t length, capacity, sent, wanted, done;
  int settled, typical;
} pair;

static const int ahead = 100;

static void pair_send(void) {
  while (pair.sent < pair.wanted && pn_link_credit(pair.sender) > 0) {
    if (pn_session_outgoing_bytes(pn_link_session(pair.sender)) > (4 << 20)) return; /* it buffers without bound */
    uint64_t tag = pair.sent++;
    pn_delivery_t *delivery = pn_delivery(pair.sender, pn_dtag((char *)&tag, sizeof tag));
    if (pair.typical) {
      pair.length = pair.capacity;
      if (pn_message_encode(pair.message, pair.wire, &pair.length)) fail("cannot encode", NULL);
    }
    pn_link_send(pair.sender, pair.wire, pair.length);
    if (pair.settled) pn_delivery_settle(delivery);
    pn_link_advance(pair.sender);
  }
}

static void at_sender(pn_event_t *event) {
  if (pn_event_type(event) == PN_LINK_FLOW) pair_send();
  if (pn_event_type(event) != PN_DELIVERY) return;
  pn_delivery_t *delivery = pn_event_delivery(event);
  if (!pn_delivery_updated(delivery) || pn_delivery_remote_state(delivery) != PN_ACCEPTED) return;
  pn_delivery_settle(delivery);
  pair.done++;
}

static void take_link(pn_link_t *link, int credit) {
  pn_terminus_copy(pn_link_source(link), pn_link_remote_source(link));
  pn_terminus_copy(pn_link_target(link), pn_link_remote_target(link));
  pn_link_set_snd_settle_mode(link, pn_link_remote_snd_settle_mode(link));
  pn_link_open(link);
  pn_link_flow(link, credit);
}

static void top_up(pn_link_t *link, int window) {
  int credit = pn_link_credit(link);
  if (credit <= window / 2) pn_link_flow(link, window - credit);
}

static void at_receiver(pn_event_t *event) {
  switch (pn_event_type(event)) {
    case PN_CONNECTION_REMOTE_OPEN: pn_connection_open(pn_event_connection(event)); break;
    case PN_SESSION_REMOTE_OPEN:
      pn_session_set_incoming_capacity(pn_event_session(event), 64 << 20);
      pn_session_open(pn_event_session(event));
      break;
    case PN_LINK_REMOTE_OPEN: take_link(pn_event_link(event), ahead); break;
    case PN_DELIVERY: {
      pn_delivery_t *delivery = pn_event_delivery(event);
      if (!pn_delivery_readable(delivery) || pn_delivery_partial(delivery)) break;
      pn_link_t *link = pn_delivery_link(delivery);
      ssize_t length = pn_link_recv(link, pair.buffer, pair.capacity);
      if (length < 0) fail("cannot receive", NULL);
      if (pair.typical) {
        if (pn_message_decode(pair.taken, pair.buffer, length)) fail("cannot decode", NULL);
        read_all(pair.taken);
      }
      if (pair.settled) pair.done++;
      else pn_delivery_update(delivery, PN_ACCEPTED);
      pn_link_advance(link);
      pn_delivery_settle(delivery);
      top_up(link, ahead);
      break;
    }
    default: break;
  }
}

static int events(pn_connection_driver_t *end) {
  int any = 0;
  for (pn_event_t *event; (event = pn_connection_driver_next_event(end)); any = 1)
    end == &pair.in ? at_receiver(event) : at_sender(event);
  return any;
}

static int carry(pn_connection_driver_t *from, pn_connection_driver_t *to) {
  for (int any = 0;; any = 1) {
    pn_bytes_t output = pn_connection_driver_write_buffer(from);
    pn_rwbytes_t input = pn_connection_driver_read_buffer(to);
    size_t octets = output.size < input.size ? output.size : input.size;
    if (!octets) return any;
    memcpy(input.start, output.start, octets);
    pn_connection_driver_write_done(from, octets);
    pn_connection_driver_read_done(to, octets);
    events(to);
  }
}

static void exchange(size_t messages) {
  pair.wanted += messages;
  while (pair.done < pair.wanted) {
    size_t before = pair.sent;
    pair_send();
    int any = pair.sent != before;
    any |= events(&pair.out) | carry(&pair.out, &pair.in);
    any |= events(&pair.in) | carry(&pair.in, &pair.out);
    if (!any) fail("both ends are silent", NULL);
  }
}

static void engine(void) {
  size_t size = number("size", 256), messages = number("messages", 1000);
  pair.settled = !strcmp(text("mode", "ack"), "pre");
  pair.typical = number("typical", 0);
  pair.message = pair.typical ? typical(size) : plain(size);
  pair.taken = pn_message();
  pair.length = pair.capacity = size + 4096;
  pair.wire = room(pair.capacity), pair.buffer = room(pair.capacity);
  if (pn_message_encode(pair.message, pair.wire, &pair.length)) fail("cannot encode", NULL);
  pn_connection_driver_init(&pair.out, NULL, NULL);
  pn_connection_driver_init(&pair.in, NULL, NULL);
  pn_transport_set_server(pair.in.transport);
  pn_transport_set_max_frame(pair.out.transport, 65536);
  pn_transport_set_max_frame(pair.in.transport, 65536);
  pn_connection_set_container(pair.out.connection, "sends");
  pn_connection_set_container(pair.in.connection, "receives");
  pn_connection_open(pair.out.connection);
  pn_session_t *session = pn_session(pair.out.connection);
  pn_session_open(session);
  pair.sender = pn_sender(session, "link");
  pn_terminus_set_address(pn_link_target(pair.sender), "q");
  pn_link_set_snd_settle_mode(pair.sender, pair.settled ? PN_SND_SETTLED : PN_SND_UNSETTLED);
  pn_link_open(pair.sender);
  exchange(number("warm", 0) + 1);
  double start = nanos();
  exchange(messages);
  printf("rate %.3f\n", messages / (nanos() - start) * 1e9);
}

/* --- on sockets --- */

static pn_proactor_t *proactor;
static pn_ssl_domain_t *domain;
static int finished;

static void run(void (*on)(pn_event_t *)) {
  while (!finished) {
    pn_event_batch_t *batch = pn_proactor_wait(proactor);
    for (pn_event_t *event; (event = pn_event_batch_next(batch));) on(event);
    pn_proactor_done(proactor, batch);
  }
}

static const char *address(void) {
  static char made[64];
  snprintf(made, sizeof made, "127.0.0.1:%ld", number("port", 0));
  return made;
}

static void use_tls(pn_ssl_mode_t mode) {
  const char *folder = text("tls", NULL);
  if (!folder) return;
  char chain[1024], key[1024];
  snprintf(chain, sizeof chain, "%s/certificate.pem", folder);
  snprintf(key, sizeof key, "%s/key.pem", folder);
  domain = pn_ssl_domain(mode);
  if (!domain) fail("this proton-c has no TLS", NULL);
  int failed = mode == PN_SSL_MODE_SERVER
                   ? pn_ssl_domain_set_credentials(domain, chain, key, NULL)
                   : pn_ssl_domain_set_trusted_ca_db(domain, chain) | pn_ssl_domain_set_peer_authentication(domain, PN_SSL_VERIFY_PEER, NULL);
  if (failed) fail("TLS cannot be set up", folder);
}

static pn_transport_t *transport(void) {
  pn_transport_t *made = pn_transport();
  pn_transport_set_max_frame(made, 65536);
  if (domain && pn_ssl_init(pn_ssl(made), domain, NULL)) fail("TLS cannot begin", NULL);
  return made;
}

static void check_end(pn_event_t *event) {
  pn_condition_t *why = pn_transport_condition(pn_event_transport(event));
  if (pn_condition_is_set(why)) fprintf(stderr, "proton-c: %s: %s\n", pn_condition_get_name(why), pn_condition_get_description(why));
}

/* --- receives --- */

static struct {
  pn_message_t *message;
  char *buffer;
  size_t capacity;
  int window, holds;
} taker;

static void take(pn_delivery_t *delivery) {
  if (!pn_delivery_readable(delivery) || pn_delivery_partial(delivery)) return;
  pn_link_t *link = pn_delivery_link(delivery);
  size_t length = pn_delivery_pending(delivery);
  if (length > taker.capacity) {
    free(taker.buffer);
    taker.capacity = 2 * length;
    taker.buffer = room(taker.capacity);
  }
  ssize_t got = pn_link_recv(link, taker.buffer, taker.capacity);
  if (got < 0) fail("cannot receive", NULL);
  if (!taker.holds) {
    if (pn_message_decode(taker.message, taker.buffer, got)) fail("cannot decode", NULL);
    read_body(taker.message);
    if (!pn_delivery_settled(delivery)) pn_delivery_update(delivery, PN_ACCEPTED);
  }
  pn_link_advance(link);
  if (taker.holds) return;
  pn_delivery_settle(delivery);
  top_up(link, taker.window);
}

static void on_receive(pn_event_t *event) {
  switch (pn_event_type(event)) {
    case PN_LISTENER_OPEN:
      printf("listening 1\n");
      fflush(stdout);
      break;
    case PN_LISTENER_ACCEPT: {
      pn_transport_t *made = transport();
      pn_transport_set_server(made);
      pn_transport_require_auth(made, false);
      pn_sasl_allowed_mechs(pn_sasl(made), "ANONYMOUS");
      pn_listener_accept2(pn_event_listener(event), NULL, made);
      break;
    }
    case PN_CONNECTION_REMOTE_OPEN: pn_connection_open(pn_event_connection(event)); break;
    case PN_SESSION_REMOTE_OPEN:
      pn_session_set_incoming_capacity(pn_event_session(event), 64 << 20);
      pn_session_open(pn_event_session(event));
      break;
    case PN_LINK_REMOTE_OPEN: take_link(pn_event_link(event), taker.window); break;
    case PN_DELIVERY: take(pn_event_delivery(event)); break;
    case PN_LINK_REMOTE_CLOSE:
    case PN_LINK_REMOTE_DETACH: pn_link_close(pn_event_link(event)); break;
    case PN_SESSION_REMOTE_CLOSE: pn_session_close(pn_event_session(event)); break;
    case PN_CONNECTION_REMOTE_CLOSE: pn_connection_close(pn_event_connection(event)); break;
    case PN_TRANSPORT_CLOSED: check_end(event); break;
    default: break;
  }
}

static void receive(void) {
  taker.message = pn_message();
  taker.window = number("window", 1000);
  taker.holds = number("hold", 0);
  use_tls(PN_SSL_MODE_SERVER);
  pn_proactor_listen(proactor, pn_listener(), address(), 1024);
  run(on_receive);
}

/* --- sends --- */

static struct {
  pn_message_t *message;
  pn_link_t *link;
  char *buffer;
  size_t capacity, sent, done, warm, wanted;
  double start, since, *took;
  int settled, alone;
} maker;

static void made_one(void) {
  if (maker.alone && maker.done >= maker.warm) maker.took[maker.done - maker.warm] = nanos() - maker.since;
  if (++maker.done == maker.warm) maker.start = nanos();
}

static void send_one(void) {
  uint64_t tag = maker.sent++;
  if (maker.alone) maker.since = nanos();
  pn_delivery_t *delivery = pn_delivery(maker.link, pn_dtag((char *)&tag, sizeof tag));
  size_t length = maker.capacity;
  if (pn_message_encode(maker.message, maker.buffer, &length)) fail("cannot encode", NULL);
  pn_link_send(maker.link, maker.buffer, length);
  int settles = maker.settled && maker.sent < maker.wanted;
  if (settles) pn_delivery_settle(delivery);
  pn_link_advance(maker.link);
  if (settles) made_one();
}

static void send_more(void) {
  while (maker.sent < maker.wanted && pn_link_credit(maker.link) > 0) {
    if (maker.alone && maker.sent > maker.done) return;
    if (pn_session_outgoing_bytes(pn_link_session(maker.link)) > (4 << 20)) return; /* it buffers without bound */
    send_one();
  }
}

static void on_send(pn_event_t *event) {
  switch (pn_event_type(event)) {
    case PN_CONNECTION_INIT: {
      pn_connection_t *connection = pn_event_connection(event);
      pn_connection_set_container(connection, "sends");
      pn_connection_open(connection);
      pn_session_t *session = pn_session(connection);
      pn_session_open(session);
      maker.link = pn_sender(session, "link");
      pn_terminus_set_address(pn_link_target(maker.link), "q");
      pn_link_set_snd_settle_mode(maker.link, PN_SND_MIXED);
      pn_link_open(maker.link);
      break;
    }
    case PN_LINK_FLOW: send_more(); break;
    case PN_DELIVERY: {
      pn_delivery_t *delivery = pn_event_delivery(event);
      if (!pn_delivery_updated(delivery)) break;
      if (pn_delivery_remote_state(delivery) != PN_ACCEPTED) fail("a message was not accepted", NULL);
      pn_delivery_settle(delivery);
      made_one();
      if (maker.done == maker.wanted) {
        double seconds = (nanos() - maker.start) / 1e9;
        size_t counted = maker.wanted - maker.warm;
        printf("rate %.3f\n", counted / seconds);
        if (maker.alone) {
          qsort(maker.took, counted, sizeof *maker.took, by_size);
          printf("p50 %.3f\np99 %.3f\n", maker.took[counted / 2] / 1e3, maker.took[counted * 99 / 100] / 1e3);
        }
        pn_connection_close(pn_event_connection(event));
      } else send_more();
      break;
    }
    case PN_CONNECTION_REMOTE_CLOSE: pn_connection_close(pn_event_connection(event)); break;
    case PN_TRANSPORT_CLOSED:
      check_end(event);
      finished = 1;
      break;
    default: break;
  }
}

static void send_all(void) {
  size_t size = number("size", 256);
  const char *mode = text("mode", "ack");
  maker.settled = !strcmp(mode, "pre"), maker.alone = !strcmp(mode, "alone");
  maker.warm = number("warm", 1), maker.wanted = maker.warm + number("messages", 1000);
  maker.took = room(maker.wanted * sizeof *maker.took);
  maker.message = plain(size);
  maker.capacity = size + 4096;
  maker.buffer = room(maker.capacity);
  use_tls(PN_SSL_MODE_CLIENT);
  pn_proactor_connect2(proactor, NULL, transport(), address());
  run(on_send);
  if (maker.done != maker.wanted) fail("the connection ended early", NULL);
}

/* --- memory --- */

static struct {
  const char *what;
  long count, made, open, resident;
  pn_connection_t *connection;
  pn_session_t *session;
  pn_link_t *link;
} many;

static long resident(void) {
  long all = 0, now = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (!file || fscanf(file, "%ld %ld", &all, &now) != 2) fail("no figure of memory", NULL);
  fclose(file);
  return now * sysconf(_SC_PAGESIZE);
}

static int is(const char *what) { return !strcmp(many.what, what); }

/* Makes the next object; prints the memory of each when all are open. The first object does not count. */
static void one_more(void) {
  if (many.made == 1) many.resident = resident();
  if (many.made > many.count) {
    printf("octets %.1f\n", (double)(resident() - many.resident) / many.count);
    fflush(stdout);
    _exit(0);
  }
  char name[32];
  snprintf(name, sizeof name, "link-%ld", many.made++);
  if (is("connection")) pn_proactor_connect2(proactor, NULL, transport(), address());
  else if (is("session")) pn_session_open(pn_session(many.connection));
  else if (is("link")) {
    pn_link_t *link = pn_sender(many.session, name);
    pn_terminus_set_address(pn_link_target(link), "q");
    pn_link_open(link);
  } else fail("no such thing", many.what);
}

static void on_memory(pn_event_t *event) {
  switch (pn_event_type(event)) {
    case PN_CONNECTION_INIT: {
      pn_connection_t *connection = pn_event_connection(event);
      pn_connection_set_container(connection, "keeps");
      pn_connection_open(connection);
      break;
    }
    case PN_CONNECTION_REMOTE_OPEN:
      many.connection = pn_event_connection(event);
      if (is("session") || is("connection")) one_more();
      else {
        many.session = pn_session(many.connection);
        pn_session_open(many.session);
      }
      break;
    case PN_SESSION_REMOTE_OPEN:
      if (is("session") || is("link")) one_more();
      else if (is("delivery")) {
        many.link = pn_sender(many.session, "link");
        pn_terminus_set_address(pn_link_target(many.link), "q");
        pn_link_open(many.link);
      }
      break;
    case PN_LINK_REMOTE_OPEN:
      if (is("link")) one_more();
      break;
    case PN_LINK_FLOW:
    case PN_TRANSPORT: {
      if (!is("delivery") || !many.link) break;
      pn_session_t *session = many.session;
      while (many.made <= many.count && pn_link_credit(many.link) > 0 && pn_session_outgoing_bytes(session) < 65536) {
        if (many.made == 1) many.resident = resident();
        uint64_t tag = many.made++;
        pn_delivery(many.link, pn_dtag((char *)&tag, sizeof tag));
        pn_link_send(many.link, "\0\x53\x75\xa0\x10" "0123456789abcdef", 21);
        pn_link_advance(many.link);
      }
      if (many.made > many.count && !pn_session_outgoing_bytes(session)) one_more();
      break;
    }
    case PN_TRANSPORT_CLOSED:
      check_end(event);
      fail("the connection ended early", NULL);
      break;
    default: break;
  }
}

static void memory(void) {
  many.what = text("what", "connection");
  many.count = number("count", 100);
  if (is("connection")) many.made = 1; /* this one */
  pn_proactor_connect2(proactor, NULL, transport(), address());
  run(on_memory);
}

int main(int count, char **arguments) {
  argc = count, argv = arguments;
  const char *role = count > 1 ? arguments[1] : "";
  proactor = pn_proactor();
  if (!strcmp(role, "version")) printf("version %d.%d.%d\n", PN_VERSION_MAJOR, PN_VERSION_MINOR, PN_VERSION_POINT);
  else if (!strcmp(role, "codec")) codec();
  else if (!strcmp(role, "engine")) engine();
  else if (!strcmp(role, "recv")) receive();
  else if (!strcmp(role, "send")) send_all();
  else if (!strcmp(role, "memory")) memory();
  else fail("no such role", role);
  return 0;
}
