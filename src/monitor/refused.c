/*
 * The password that was refused last, see refused.h. Kept by the monitor.
 */

#include "monitor/refused.h"

#include <string.h>

#include "monitor/admission.h"

bool
refused_is_same(const struct refused *r, const struct msg_login *login)
{
	const struct msg_login *before = &r->login;

	return before->authcid[0] != '\0' && admission_is_password(login->mechanism) &&
	    strcmp(login->authcid, before->authcid) == 0 && strcmp(login->authzid, before->authzid) == 0 &&
	    strcmp(login->secret, before->secret) == 0;
}

void
refused_remember(struct refused *r, const struct msg_login *login, enum msg_outcome outcome)
{
	refused_forget(r);
	if (outcome == OUTCOME_AUTHENTICATIONFAILED && admission_is_password(login->mechanism))
		r->login = *login;
}

void
refused_forget(struct refused *r)
{
	explicit_bzero(r, sizeof(*r));
}
