// Leads TLS connections to API.execute-api.REGION.amazonaws.com to the local gateway. Node.js loads this file before a
// function, because its SDK follows no proxy. The host stays the one that the certificate is checked for.
'use strict';

const tls = require('node:tls');
const {domain, host, port} = require('./redirect.json');

const connect = tls.connect;
tls.connect = function (options, ...rest) {
	const wanted = options && (options.host || options.hostname);
	if (typeof wanted === 'string' && wanted.endsWith(domain)) {
		options = {...options, host, port, servername: options.servername || wanted};
	}
	return connect.call(this, options, ...rest);
};
