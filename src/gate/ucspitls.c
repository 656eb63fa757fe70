/*
 * TLS by the superserver, see ucspitls.h. Run by the gate in its sandbox. The
 * protocol (ucspi-tls(2) of ucspi-ssl) is a "Y" on the control socket, and as
 * the answer, when the handshake is done, variables of an environment. Their
 * values are partly the client's own words.
 */

#include "gate/ucspitls.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "sandbox.h"
#include "proto/word.h"

/* Some superservers tell all of their certificate and the client's. */
#define ANSWER_MAX	65536

/* The variables that are looked at are short. */
#define VARIABLE_MAX	320

/* The answer being read: octet by octet, one variable in hand. */
struct answer {
	char	variable[VARIABLE_MAX];
	size_t	len;			/* of it, as it came; more than fits is too long for us */
	size_t	octets;			/* of all */
	char	last;
	bool	complete;
};

void
ucspitls_init(struct ucspitls *t, int monitor, int64_t deadline)
{
	conn_init(&t->control, SANDBOX_CONTROL, SANDBOX_CONTROL, monitor, deadline);
	conn_init(&t->inside, SANDBOX_READ, SANDBOX_WRITE, monitor, deadline);
}

/* Gives the value behind "NAME=", NULL if it is another variable. */
static const char *
variable_value(const char *variable, const char *name)
{
	size_t len = strlen(name);

	return strncmp(variable, name, len) == 0 && variable[len] == '=' ? variable + len + 1 : NULL;
}

static void
take_variable(struct msg_tls *tls, const char *variable)
{
	const char *value;

	if ((value = variable_value(variable, "SSL_PROTOCOL")) != NULL)
		word_copy(tls->protocol, sizeof(tls->protocol), value, strlen(value));
	else if ((value = variable_value(variable, "SSL_CIPHER")) != NULL)
		word_copy(tls->cipher, sizeof(tls->cipher), value, strlen(value));
	else if ((value = variable_value(variable, "SSL_TLS_SNI_SERVERNAME")) != NULL || /* s6-networking */
	    (value = variable_value(variable, "SSL_TLS_SNI_SERVER_NAME")) != NULL)
		word_copy(tls->sni, sizeof(tls->sni), value, strlen(value));
}

/* Each variable ends in NUL, all of them in one more; without variables there are two. */
static void
take_octet(struct answer *a, struct msg_tls *tls, char octet)
{
	a->complete = octet == '\0' && a->last == '\0' && a->octets > 0;
	a->last = octet;
	a->octets++;
	if (a->len < sizeof(a->variable))
		a->variable[a->len] = octet;
	a->len++;
	if (octet != '\0')
		return;
	if (a->len <= sizeof(a->variable))
		take_variable(tls, a->variable);
	a->len = 0;
}

static enum conn_end
read_answer(struct conn *control, struct msg_tls *tls)
{
	struct answer a = { .len = 0 };
	enum conn_end end;
	size_t i;

	strcpy(tls->protocol, "TLS");
	strcpy(tls->cipher, "unknown");
	while (!a.complete) {
		end = conn_peek(control);
		if (end != CONN_OK)
			return end;
		for (i = 0; i < control->peeked && !a.complete; i++)
			take_octet(&a, tls, control->peek[i]);
		conn_consume(control, i);
		if (a.octets > ANSWER_MAX)
			return CONN_CLOSED;
	}
	return CONN_OK;
}

enum conn_end
ucspitls_start(struct ucspitls *t, struct conn *c)
{
	struct msg_tls tls = { .sni = "" };
	enum conn_end end = conn_write(&t->control, "Y", 1);

	if (end == CONN_OK)
		end = read_answer(&t->control, &tls);
	if (end != CONN_OK)
		return end;
	/* The socket is the superserver's now: as long as we had it too, the client would not see its end. */
	close(c->in);
	close(c->out);
	*c = t->inside;
	t->tls = tls;
	return CONN_OK;
}
