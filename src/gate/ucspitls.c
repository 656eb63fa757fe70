/*
 * TLS by the superserver, see ucspitls.h. Run by the gate in its sandbox. The protocol
 * (ucspi-tls(2) of ucspi-ssl): send "Y" on the control socket; after the handshake the
 * superserver answers with environment variables. Some of their values are chosen by the client.
 */

#include "gate/ucspitls.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "proto/word.h"
#include "sandbox.h"

/* Room for superservers that send both certificates. */
#define ANSWER_MAX	65536

/* Room for the variables that are used, which are short. */
#define VARIABLE_MAX	320

/* Parser of the answer, one octet at a time. */
struct answer {
	char	variable[VARIABLE_MAX];
	size_t	len;			/* octets of this variable so far; may exceed VARIABLE_MAX */
	size_t	octets;			/* octets of the answer so far */
	char	last;
	bool	complete;
};

void
ucspitls_init(struct ucspitls *t, int monitor, int64_t deadline)
{
	conn_init(&t->control, SANDBOX_CONTROL, SANDBOX_CONTROL, monitor, deadline);
	conn_init(&t->inside, SANDBOX_READ, SANDBOX_WRITE, monitor, deadline);
}

/* Returns the value after "NAME=", or NULL if the variable has another name. */
static const char *
find_value(const char *variable, const char *name)
{
	size_t len = strlen(name);

	return strncmp(variable, name, len) == 0 && variable[len] == '=' ? variable + len + 1 : NULL;
}

static void
store_variable(struct msg_tls *tls, const char *variable)
{
	const char *value;

	if ((value = find_value(variable, "SSL_PROTOCOL")) != NULL)
		word_copy(tls->protocol, sizeof(tls->protocol), value, strlen(value));
	else if ((value = find_value(variable, "SSL_CIPHER")) != NULL)
		word_copy(tls->cipher, sizeof(tls->cipher), value, strlen(value));
	else if ((value = find_value(variable, "SSL_TLS_SNI_SERVERNAME")) != NULL || /* s6-networking */
	    (value = find_value(variable, "SSL_TLS_SNI_SERVER_NAME")) != NULL)
		word_copy(tls->sni, sizeof(tls->sni), value, strlen(value));
}

/*
 * Parses one octet. Each variable ends in NUL and the answer in one more; an answer without
 * variables is two NULs.
 */
static void
parse_octet(struct answer *a, struct msg_tls *tls, char octet)
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
		store_variable(tls, a->variable);
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
			parse_octet(&a, tls, control->peek[i]);
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
	/*
	 * Only the superserver uses the socket now. While a copy is open, the client does not see
	 * the end of the connection.
	 */
	close(c->in);
	close(c->out);
	*c = t->inside;
	t->tls = tls;
	return CONN_OK;
}
