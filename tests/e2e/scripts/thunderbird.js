// Run in Thunderbird by Marionette: logs in and gives the text of message 2 back.
// Arguments: the port, cleartext|starttls|tls, the user, the password, the certificate in base64; the last one takes the result.
const [port, security, user, password, certificate, give] = arguments;
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const SOCKET = { cleartext: 0, starttls: 2, tls: 3 };
const PASSWORD_AS_IT_IS = 3;

function trust() {
	const known = Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB).constructX509FromBase64(certificate);
	Cc["@mozilla.org/security/certoverride;1"].getService(Ci.nsICertOverrideService)
		.rememberValidityOverride("localhost", port, {}, known, true);
}

function makeAccount() {
	const server = MailServices.accounts.createIncomingServer(user, "localhost", "imap");
	server.port = port;
	server.socketType = SOCKET[security];
	server.authMethod = PASSWORD_AS_IT_IS;
	server.password = password;
	const account = MailServices.accounts.createAccount();
	account.addIdentity(MailServices.accounts.createIdentity());
	account.incomingServer = server;
	return server;
}

// It begins by itself to look for folders and mail, by a connection of its own: either may find the message first.
function arrival() {
	return new Promise(done => MailServices.mfn.addListener({
		msgAdded(header) {
			if (header.mime2DecodedSubject === "message number 2") {
				done(header);
			}
		},
	}, MailServices.mfn.msgAdded));
}

function text(header) {
	const uri = header.folder.getUriForMsg(header);
	return new Promise((done, fail) => {
		let shown = "";
		MailServices.messageServiceFromURI(uri).streamMessage(uri, {
			QueryInterface: ChromeUtils.generateQI(["nsIStreamListener", "nsIRequestObserver"]),
			onStartRequest() {},
			onDataAvailable(request, stream, offset, count) {
				const readable = Cc["@mozilla.org/scriptableinputstream;1"].createInstance(Ci.nsIScriptableInputStream);
				readable.init(stream);
				shown += readable.read(count);
			},
			onStopRequest(request, status) {
				Components.isSuccessCode(status) ? done(shown) : fail(`status ${status.toString(16)}`);
			},
		}, null, null, false, "");
	});
}

async function read() {
	const header = arrival();
	const inbox = makeAccount().rootFolder.getFolderWithFlags(Ci.nsMsgFolderFlags.Inbox);
	// With a window it says in a dialog that it was refused.
	inbox.updateFolder(Services.wm.getMostRecentWindow("mail:3pane").msgWindow);
	return text(await header);
}

trust();
read().then(give, wrong => give(`error: ${wrong}`));
