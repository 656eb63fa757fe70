/*
 * A mailbox program for the demonstration: one mailbox, INBOX, which
 * can't be changed and has one message, which greets whoever reads it. It shows
 * what imapgate asks of a mailbox program: it speaks IMAP (RFC 3501) on
 * descriptors 0 and 1, believes its environment about who is there, and
 * begins with the tagged OK that the client waits for. Nobody's mail should
 * be entrusted to it.
 */

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define CAPABILITIES	"IMAP4rev1 LITERAL+ NAMESPACE ID"
#define READ_ONLY	"NO This mailbox is read-only"
/* RFC 3501, 7.1: flags that are not among the PERMANENTFLAGS may be ignored. */
#define IGNORED		"OK Nothing is kept"
/* RFC 3501, 5.4: an idle client is logged out after 30 minutes at the earliest. */
#define IDLE_SECONDS	(30 * 60)
#define DATE		"Thu, 01 Jan 2026 09:00:00 +0000"

struct text {
	const char	*at;
	size_t		 len;
};

static char user[128];
static char message[2048];
static struct text whole, header, body;
static bool selected;

/* --- the message */

/* The name goes into header lines, so it keeps only what can do no harm there. */
static void
name_user(void)
{
	const char *name = getenv("USER");
	size_t n = 0;

	for (; name != NULL && *name != '\0' && n < sizeof(user) - 1; name++)
		user[n++] = isalnum((unsigned char)*name) || strchr("@._-+", *name) ? *name : '_';
	if (n == 0)
		strcpy(user, "nobody");
}

static void
write_message(void)
{
	const char *end;

	snprintf(message, sizeof(message),
	    "From: imapgate demo <demo@localhost>\r\n"
	    "To: <%s>\r\n"
	    "Subject: It works\r\n"
	    "Date: " DATE "\r\n"
	    "Message-ID: <1@demo.localhost>\r\n"
	    "MIME-Version: 1.0\r\n"
	    "Content-Type: text/plain; charset=us-ascii\r\n"
	    "\r\n"
	    "Hello %s,\r\n"
	    "\r\n"
	    "imapgate let you in, became you (uid %u), and left.\r\n"
	    "This message is all there is behind the demonstration.\r\n",
	    user, user, (unsigned)getuid());
	end = strstr(message, "\r\n\r\n") + 4;
	whole = (struct text){ message, strlen(message) };
	header = (struct text){ message, (size_t)(end - message) };
	body = (struct text){ end, whole.len - header.len };
}

/* --- reading commands */

/* Takes a literal of len octets as a quoted string: what follows need only know those. */
static bool
read_literal(char *at, const char *end, size_t len)
{
	int c;

	if (len + 3 > (size_t)(end - at))
		return false;
	*at++ = '"';
	while (len-- > 0) {
		if ((c = getchar()) == EOF)
			return false;
		*at++ = (char)(c < ' ' || c == '"' || c == '\\' ? '?' : c);
	}
	*at++ = '"';
	*at = '\0';
	return true;
}

/* Where the line ends in a literal's announcement, {n} or {n+}, returns it. */
static char *
announcement(char *line)
{
	char *brace = strrchr(line, '{');
	size_t digits;

	if (brace == NULL || (digits = strspn(brace + 1, "0123456789")) == 0)
		return NULL;
	return strcmp(brace + 1 + digits, "}") == 0 || strcmp(brace + 1 + digits, "+}") == 0 ? brace : NULL;
}

/* Reads a whole command, literals included. Returns false at the end of the connection, or if it is too long. */
static bool
read_command(char *line, size_t size)
{
	char *at = line, *brace;

	alarm(IDLE_SECONDS);
	for (;;) {
		fflush(stdout);
		if (fgets(at, (int)(size - (size_t)(at - line)), stdin) == NULL || strchr(at, '\n') == NULL)
			return false;
		at[strcspn(at, "\r\n")] = '\0';
		if ((brace = announcement(at)) == NULL)
			return true;
		if (strchr(brace, '+') == NULL) {
			printf("+ OK\r\n");
			fflush(stdout);
		}
		if (!read_literal(brace, line + size, strtoul(brace + 1, NULL, 10)))
			return false;
		at = brace + strlen(brace);
		if ((size_t)(at - line) + 2 > size)
			return false;
	}
}

/* Takes the next word: an atom, a quoted string without its quotes, or all that one pair of brackets holds. */
static char *
word(char **p)
{
	char *start = *p += strspn(*p, " ");
	int depth = 0;
	bool quoted = false;

	for (; **p != '\0' && (depth > 0 || quoted || **p != ' '); (*p)++) {
		if (**p == '"')
			quoted = !quoted;
		else if (!quoted)
			depth += (**p == '(' || **p == '[') - (**p == ')' || **p == ']');
	}
	if (**p != '\0')
		*(*p)++ = '\0';
	if (start[0] == '"' && start[strlen(start) - 1] == '"' && start[1] != '\0') {
		start[strlen(start) - 1] = '\0';
		start++;
	}
	return start;
}

/* Takes the brackets off a list. */
static char *
inside(char *list)
{
	size_t len = strlen(list);

	if (len < 2 || list[0] != '(' || list[len - 1] != ')')
		return list;
	list[len - 1] = '\0';
	return list + 1;
}

/* Says whether a set of numbers ("1", "1:*", "4,*:7") has 1 in it, where * is 1 too. */
static bool
set_has_1(char *set)
{
	char *range, *colon;
	unsigned long low, high;

	while ((range = strsep(&set, ",")) != NULL) {
		colon = strchr(range, ':');
		low = *range == '*' ? 1 : strtoul(range, NULL, 10);
		high = colon == NULL ? low : colon[1] == '*' ? 1 : strtoul(colon + 1, NULL, 10);
		if (low == 1 || high == 1)
			return true;
	}
	return false;
}

/* --- FETCH */

/* Collects the header lines that are named in the list, or those that are not. */
static struct text
header_fields(char *names, bool named)
{
	static char picked[sizeof(message)];
	const char *line, *end;
	char list[1024], *rest, *name;
	size_t n = 0;
	bool found;

	for (line = header.at; *line != '\r'; line = end) {
		end = strstr(line, "\r\n") + 2;
		snprintf(list, sizeof(list), "%s", names);
		rest = inside(list);
		found = false;
		while (*(name = word(&rest)) != '\0')
			found |= strncasecmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':';
		if (found == named) {
			memcpy(picked + n, line, (size_t)(end - line));
			n += (size_t)(end - line);
		}
	}
	memcpy(picked + n, "\r\n", 2);
	return (struct text){ picked, n + 2 };
}

/* Writes label and, as a literal, the text, or that part of it which "<first.count>" asks for. */
static void
write_text(const char *label, struct text t, const char *partial)
{
	unsigned long first, count;

	if (sscanf(partial, "<%lu.%lu>", &first, &count) == 2) {
		if (first > t.len)
			first = t.len;
		t.at += first;
		t.len -= first;
		if (count < t.len)
			t.len = count;
		printf("%s<%lu> {%zu}\r\n", label, first, t.len);
	} else
		printf("%s {%zu}\r\n", label, t.len);
	fwrite(t.at, 1, t.len, stdout);
}

/* Answers BODY[...] and BODY.PEEK[...]; which is the same here, as nothing is ever marked as seen. */
static bool
fetch_section(char *item)
{
	char *section = strchr(item, '['), *end = strrchr(item, ']'), label[1100];
	struct text t;

	if (strncasecmp(item, "BODY", 4) != 0 || section == NULL || end == NULL)
		return false;
	*end = '\0';
	section++;
	snprintf(label, sizeof(label), "BODY[%s]", section);
	if (*section == '\0')
		t = whole;
	else if (strcasecmp(section, "HEADER") == 0)
		t = header;
	else if (strcasecmp(section, "TEXT") == 0 || strcmp(section, "1") == 0)
		t = body;
	else if (strncasecmp(section, "HEADER.FIELDS.NOT ", 18) == 0)
		t = header_fields(section + 18, false);
	else if (strncasecmp(section, "HEADER.FIELDS ", 14) == 0)
		t = header_fields(section + 14, true);
	else
		return false;
	write_text(label, t, end + 1);
	return true;
}

/* What most items are, as text; the sizes are known once the message is. */
static char envelope[512], structure[256];

static void
describe_message(void)
{
	const char *from = "((\"imapgate demo\" NIL \"demo\" \"localhost\"))", *at = strchr(user, '@');
	int len = at == NULL ? (int)strlen(user) : (int)(at - user);
	unsigned lines = 0;

	for (size_t i = 0; i < body.len; i++)
		lines += body.at[i] == '\n';
	snprintf(structure, sizeof(structure),
	    "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" %zu %u)", body.len, lines);
	snprintf(envelope, sizeof(envelope),
	    "(\"" DATE "\" \"It works\" %s %s %s ((NIL NIL \"%.*s\" \"%s\")) NIL NIL NIL \"<1@demo.localhost>\")", from,
	    from, from, len, user, at == NULL ? "localhost" : at + 1);
}

static bool
fetch_item(char *item)
{
	static const char *const values[][2] = {
		{ "UID", "1" },
		{ "FLAGS", "()" },
		{ "INTERNALDATE", "\"01-Jan-2026 09:00:00 +0000\"" },
		{ "ENVELOPE", envelope },
		{ "BODY", structure },
		{ "BODYSTRUCTURE", structure },
	};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		if (strcasecmp(item, values[i][0]) == 0) {
			printf("%s %s", values[i][0], values[i][1]);
			return true;
		}
	if (strcasecmp(item, "RFC822.SIZE") == 0)
		printf("RFC822.SIZE %zu", whole.len);
	else if (strcasecmp(item, "RFC822") == 0)
		write_text("RFC822", whole, "");
	else if (strcasecmp(item, "RFC822.HEADER") == 0)
		write_text("RFC822.HEADER", header, "");
	else
		return fetch_section(item);
	return true;
}

/* RFC 3501, 6.4.5: names that stand for lists of items. */
static const char *
fetch_macro(const char *name)
{
	if (strcasecmp(name, "FAST") == 0)
		return "FLAGS INTERNALDATE RFC822.SIZE";
	if (strcasecmp(name, "ALL") == 0 || strcasecmp(name, "FULL") == 0)
		return "FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY";
	return name;
}

static const char *
fetch(char *args, bool uids)
{
	char *set = word(&args), *item, items[1024];
	const char *space = "";
	bool understood = true;

	snprintf(items, sizeof(items), "%s%s", uids ? "UID " : "", fetch_macro(inside(word(&args))));
	if (!set_has_1(set))
		return "OK FETCH completed";
	printf("* 1 FETCH (");
	for (args = items; *(item = word(&args)) != '\0'; space = " ") {
		/* UID FETCH says the UID once, whether it is asked for or not. */
		if (uids && *space != '\0' && strcasecmp(item, "UID") == 0)
			continue;
		printf("%s", space);
		understood &= fetch_item(item);
	}
	printf(")\r\n");
	return understood ? "OK FETCH completed" : "BAD Unknown item";
}

/* --- the commands: those that have to think return their tagged answer, without the tag */

/* LIST: a pattern is empty, has a wildcard, or is a name. */
static const char *
list(char *args)
{
	char *pattern;

	(void)word(&args);
	pattern = word(&args);
	if (*pattern == '\0')
		printf("* LIST (\\Noselect) \"/\" \"\"\r\n");
	else if (strcspn(pattern, "*%") == 0 || strncasecmp(pattern, "INBOX", strcspn(pattern, "*%")) == 0)
		printf("* LIST (\\Noinferiors) \"/\" INBOX\r\n");
	return "OK LIST completed";
}

static const char *
status(char *args)
{
	static const char *const numbers[][2] = {
		{ "MESSAGES", "1" },
		{ "RECENT", "0" },
		{ "UNSEEN", "1" },
		{ "UIDNEXT", "2" },
		{ "UIDVALIDITY", "1" },
	};
	char *items, *item;
	const char *space = "";

	if (strcasecmp(word(&args), "INBOX") != 0)
		return "NO There is only INBOX";
	printf("* STATUS INBOX (");
	for (items = inside(word(&args)); *(item = word(&items)) != '\0';)
		for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
			if (strcasecmp(item, numbers[i][0]) == 0) {
				printf("%s%s %s", space, numbers[i][0], numbers[i][1]);
				space = " ";
			}
	printf(")\r\n");
	return "OK STATUS completed";
}

static const char *
select_mailbox(char *args)
{
	selected = strcasecmp(word(&args), "INBOX") == 0;
	if (!selected)
		return "NO There is only INBOX";
	printf("* FLAGS (\\Seen)\r\n* 1 EXISTS\r\n* 0 RECENT\r\n"
	       "* OK [UNSEEN 1] Nobody has seen it\r\n* OK [PERMANENTFLAGS ()] Nothing can be changed\r\n"
	       "* OK [UIDVALIDITY 1] Always\r\n* OK [UIDNEXT 2] Never\r\n");
	/* Some clients give up on a mailbox that is read-only, and then never want to change anything. */
	return "OK [READ-WRITE] INBOX selected";
}

static const char *
fetch_by_number(char *args)
{
	return fetch(args, false);
}

static const char *
by_uid(char *args)
{
	const char *verb = word(&args);

	if (strcasecmp(verb, "FETCH") == 0)
		return fetch(args, true);
	if (strcasecmp(verb, "STORE") == 0)
		return IGNORED;
	if (strcasecmp(verb, "SEARCH") != 0)
		return READ_ONLY;
	printf("* SEARCH 1\r\n");
	return "OK UID SEARCH completed";
}

/* What is said untagged, and then tagged, or the function that says it. */
static const struct verb {
	const char	*name;
	bool		 needs_mailbox;
	const char	*untagged;
	const char	*answer;
	const char	*(*run)(char *args);
} verbs[] = {
	{ "CAPABILITY",	false,	"* CAPABILITY " CAPABILITIES "\r\n",		"OK Done",	NULL },
	{ "NOOP",	false,	"",						"OK Done",	NULL },
	{ "LOGOUT",	false,	"* BYE Until next time\r\n",			"OK Done",	NULL },
	{ "ID",		false,	"* ID (\"name\" \"imapgate demo mailbox\")\r\n", "OK Done",	NULL },
	{ "NAMESPACE",	false,	"* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n",	"OK Done",	NULL },
	{ "LIST",	false,	"",						NULL,		list },
	{ "LSUB",	false,	"* LSUB () \"/\" INBOX\r\n",			"OK Done",	NULL },
	{ "STATUS",	false,	"",						NULL,		status },
	{ "SELECT",	false,	"",						NULL,		select_mailbox },
	{ "EXAMINE",	false,	"",						NULL,		select_mailbox },
	{ "CHECK",	true,	"",						"OK Done",	NULL },
	{ "CLOSE",	true,	"",						"OK Done",	NULL },
	{ "FETCH",	true,	"",						NULL,		fetch_by_number },
	{ "SEARCH",	true,	"* SEARCH 1\r\n",				"OK Done",	NULL },
	{ "UID",	true,	"",						NULL,		by_uid },
	{ "STORE",	true,	"",						IGNORED,	NULL },
	{ "COPY",	true,	"",						READ_ONLY,	NULL },
	{ "EXPUNGE",	true,	"",						"OK Done",	NULL },
	{ "APPEND",	false,	"",						READ_ONLY,	NULL },
	{ "CREATE",	false,	"",						READ_ONLY,	NULL },
	{ "DELETE",	false,	"",						READ_ONLY,	NULL },
	{ "RENAME",	false,	"",						READ_ONLY,	NULL },
	{ "SUBSCRIBE",	false,	"",						READ_ONLY,	NULL },
	{ "UNSUBSCRIBE", false,	"",						READ_ONLY,	NULL },
};

static const char *
obey(const char *name, char *args)
{
	const struct verb *v;

	for (v = verbs; v < verbs + sizeof(verbs) / sizeof(verbs[0]); v++) {
		if (strcasecmp(name, v->name) != 0)
			continue;
		if (v->needs_mailbox && !selected)
			return "BAD Select a mailbox first";
		if (strcmp(v->name, "CLOSE") == 0)
			selected = false;
		printf("%s", v->untagged);
		return v->run != NULL ? v->run(args) : v->answer;
	}
	return "BAD The demo mailbox doesn't know this command";
}

int
main(void)
{
	char line[8192], *p, *tag;
	const char *name, *answer;

	name_user();
	write_message();
	describe_message();
	if ((tag = getenv("IMAPLOGINTAG")) != NULL)
		printf("%s OK [CAPABILITY " CAPABILITIES "] Logged in\r\n", tag);
	else
		printf("* PREAUTH [CAPABILITY " CAPABILITIES "] Logged in as %s\r\n", user);
	while (read_command(line, sizeof(line))) {
		p = line;
		tag = word(&p);
		name = word(&p);
		answer = obey(name, p);
		printf("%s %s\r\n", *name != '\0' ? tag : "*", answer);
		if (strcasecmp(name, "LOGOUT") == 0)
			break;
	}
	return 0;
}
