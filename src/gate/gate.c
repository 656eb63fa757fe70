/*
 * The gate, see gate.h. Run by the gate: as root until the sandbox, if imapgate was started as
 * root; then in the sandbox, where it reads from the network. Trusts the monitor only.
 */

#include "gate/gate.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "base/openssl.h"
#include "base/title.h"
#include "gate/ask.h"
#include "gate/bounds.h"
#include "gate/clientcert.h"
#include "gate/dialogue.h"
#include "gate/handshake.h"
#include "gate/imap.h"
#include "gate/ktls.h"
#include "gate/login.h"
#include "gate/proxied.h"
#include "gate/relay.h"

static void
start_ucspi_tls(struct imap *s)
{
	struct msg_log log = { .event = EVENT_TLS };

	if (ucspitls_start(&s->ucspi_tls, &s->conn) != CONN_OK) {
		ask_log_tls_failure("the superserver has not done the handshake");
		dialogue_finish(s, REASON_TLS_FAILED, NULL);
	}
	log.tls = s->ucspi_tls.tls;
	ask_log(&log);
}

/*
 * Does the handshake of STARTTLS or of implicit TLS. Keeps nothing from before it but the abuse
 * counters (RFC 9051, 6.2.1). Octets injected after the STARTTLS line are still unread, so they
 * make the handshake fail.
 */
static void
start_tls(struct imap *s)
{
	struct msg_log log = { .event = EVENT_TLS };
	char error[128];

	command_reset(&s->command);
	/* A cleartext BYE would break the handshake. */
	die_hook = NULL;
	if (s->by_superserver) {
		start_ucspi_tls(s);
		return;
	}
	openssl_reseed();
	ktls_watch(&s->ktls, s->tls->ctx, s->no_ktls);
	if (handshake_accept(s->tls, &s->conn, error, sizeof(error)) != CONN_OK) {
		ask_log_tls_failure(error);
		dialogue_finish(s, REASON_TLS_FAILED, NULL);
	}
	/* The signer's pair is good for one signature. Without a signer there is no descriptor. */
	if (s->has_signer)
		close(SANDBOX_SIGN);
	handshake_describe(&s->conn, &log.tls);
	ask_log(&log);
	if (s->opts->client_ca != NULL)
		clientcert_get_user(s->conn.ssl, s->opts->cert_user, s->certificate_user);
}

/*
 * Chooses the mailbox program's transport, and gives TLS to the kernel if possible. After
 * TRANSPORT_KTLS conn must not be used for TLS any more. Calls dialogue_finish() if kernel TLS is
 * required and not possible.
 */
static enum msg_transport
switch_transport(struct imap *s)
{
	if (s->conn.ssl == NULL)
		return dialogue_has_tls(s) ? TRANSPORT_UCSPI_TLS : TRANSPORT_SOCKET;
	s->ktls.obstacle = ktls_switch(&s->ktls, &s->conn);
	if (s->ktls.obstacle == OBSTACLE_NONE)
		return TRANSPORT_KTLS;
	if (s->opts->ktls != KTLS_REQUIRE)
		return TRANSPORT_RELAY;
	if (s->tag[0] != '\0')
		dialogue_answer(s, "NO", "UNAVAILABLE", "Kernel TLS is required here and not possible");
	dialogue_finish(s, REASON_NO_KTLS, "BYE [UNAVAILABLE] Please try again later");
}

/* Returns the reply to a login whose mailbox program exits without output. */
static const char *
format_failure_reply(const struct imap *s)
{
	static struct reply r;

	r.len = 0;
	reply_no_mailbox(&r, s->tag);
	r.text[r.len] = '\0';
	return r.text;
}

/*
 * Starts the mailbox program after a login. With TRANSPORT_RELAY becomes the relay of the session,
 * else exits.
 */
static void __attribute__((noreturn))
hand_off(struct imap *s)
{
	struct msg_launch launch;
	int stream;

	command_reset(&s->command);
	memset(&launch, 0, sizeof(launch));
	strcpy(launch.tag, s->tag);
	if (s->conn.ssl != NULL)
		handshake_describe(&s->conn, &launch.tls);
	else
		launch.tls = s->ucspi_tls.tls;
	launch.transport = switch_transport(s);
	launch.obstacle = s->ktls.obstacle;
	if (!ask_launch(&launch, &stream)) {
		if (s->tag[0] != '\0')
			dialogue_answer(s, "NO", "UNAVAILABLE", "The mailbox can't be opened at the moment");
		dialogue_finish(s, REASON_MONITOR_SLOW, "BYE [UNAVAILABLE] Please try again later");
	}
	if (stream == -1)
		_exit(0);
	title_set(s->title_name, s->peer->ip, "relay");
	bounds_start_session();
	relay_run(&s->conn, stream, format_failure_reply(s), RELAY_LINGER_MS, ask_report_output);
	_exit(0);
}

/* Sends the reply to a command, then does what must follow. */
static void
take_next_step(struct imap *s, enum next next)
{
	dialogue_flush(s);
	if (next == NEXT_STARTTLS)
		start_tls(s);
	else if (next == NEXT_HANDOFF)
		hand_off(s);
}

static void __attribute__((noreturn))
run_commands(struct imap *s)
{
	enum next next;

	for (;;) {
		next = imap_command(s);
		/* Wipes the password of a malformed or refused LOGIN too. */
		explicit_bzero(s->password.text, sizeof(s->password.text));
		take_next_step(s, next);
	}
}

/*
 * Starts implicit TLS (RFC 8314). There is no cleartext fallback: if TLS is not possible, the
 * client gets no reply.
 */
static void
start_implicit_tls(struct imap *s)
{
	const char *error = tls_prepare(s->tls);

	if (error != NULL) {
		die_status = EX_CONFIG;
		errno = 0;
		die("TLS is not possible: %s", error);
	}
	start_tls(s);
}

/*
 * Sends BYE after the handshake of implicit TLS, because there is no mailbox program, and exits
 * with EX_CONFIG.
 */
static void __attribute__((noreturn))
refuse_without_program(struct imap *s)
{
	static const char bye[] = "* BYE [UNAVAILABLE] Server error; please try again later\r\n";
	char error[128];

	if (tls_prepare(s->tls) == NULL) {
		openssl_reseed();
		if (handshake_accept(s->tls, &s->conn, error, sizeof(error)) == CONN_OK)
			conn_write(&s->conn, bye, sizeof(bye) - 1);
	}
	conn_end(&s->conn);
	die_status = EX_CONFIG;
	errno = 0;
	die("%s: no such program", s->opts->program[0]);
}

/*
 * Wipes the values of --setenv.
 *
 * SECURITY: the values are for the mailbox program, and may come from a file that only root can
 * read.
 */
static void
wipe_setenv(const struct options *o)
{
	size_t i;

	for (i = 0; i < o->n_setenv; i++)
		explicit_bzero(o->setenv[i], strlen(o->setenv[i]));
}

/*
 * Reads the PROXY header, makes its client the peer, and asks whether a limit rejects the client.
 * A proxy that sends no header gets no reply.
 */
static void
identify_client(struct imap *s, int64_t deadline)
{
	static const enum msg_reason reasons[] = {
		[PROXIED_MALFORMED] = REASON_PROXY_MALFORMED,
		[PROXIED_LATE] = REASON_PROXY_LATE,
		[PROXIED_CLOSED] = REASON_PROXY_CLOSED,
	};
	struct proxy header = { 0 };
	enum proxied_end end = proxied_read(&header, deadline);
	enum msg_limit limit;

	if (end != PROXIED_READ)
		dialogue_finish(s, reasons[end], NULL);
	if (!peer_replace(s->peer, &header))
		bug("PROXY header with an invalid TLS version or cipher");
	title_set(NULL, s->peer->ip, "gate");
	if (!ask_proxied(&header, &limit))
		dialogue_finish(s, REASON_MONITOR_SLOW, NULL);
	if (limit == LIMIT_NONE)
		return;
	if (!s->opts->tls_on_connect) {
		reply_data(&s->reply, "BYE [UNAVAILABLE] Too many connections; please try again later");
		conn_write(&s->conn, s->reply.text, s->reply.len);
	}
	_exit(0);
}

/* Moves all descriptors to their numbers in the sandbox. */
static void
place_descriptors(struct imap *s, const struct gate_start *start)
{
	const struct peer_ucspi_tls *t = &start->peer->ucspi_tls;

	/* With a certificate, STARTTLS is done here, not by the superserver. */
	s->by_superserver = start->opts->n_cert == 0 && t->control != 0;
	sandbox_descriptors((const int[]){ start->monitor, start->sign, t->control, t->read, t->write }, s->by_superserver ? 5 : 2);
	conn_init(&s->conn, STDIN_FILENO, STDOUT_FILENO, SANDBOX_MONITOR, start->deadline);
	if (s->by_superserver)
		ucspitls_init(&s->ucspi_tls, SANDBOX_MONITOR, start->deadline);
}

void
gate_run(const struct gate_start *start)
{
	static struct imap s;
	static struct tls none;

	prctl(PR_SET_NAME, "imapgate-gate");
	title_set(NULL, start->peer->ip, "gate");
	/* For errors until the descriptors have their numbers. */
	ask_init(start->monitor, start->monitor, start->deadline);
	log_sink = ask_log_failure;
	s.opts = start->opts;
	s.peer = start->peer;
	s.no_ktls = start->no_ktls;
	s.has_signer = start->sign != -1;
	s.tls = start->tls != NULL ? start->tls : &none;
	s.tls->callbacks = &handshake_callbacks;
	place_descriptors(&s, start);
	ask_init(SANDBOX_MONITOR, s.has_signer ? SANDBOX_SIGN : SANDBOX_MONITOR, start->deadline);
	sandbox_close_others();
	bounds_start(start->deadline);
	wipe_setenv(start->opts);
	sandbox_enter(&start->sandbox, SANDBOX_GATE);
	s.command.strict = start->opts->strict;
	if (peer_is_proxy(s.peer, s.opts))
		identify_client(&s, start->deadline);
	if (start->no_program)
		refuse_without_program(&s);
	if (start->opts->tls_on_connect)
		start_implicit_tls(&s);
	if (start->opts->preauth == PREAUTH_CERT && s.certificate_user[0] != '\0' && login_preauth(&s) == NEXT_HANDOFF)
		hand_off(&s);
	imap_greet(&s);
	run_commands(&s);
}
