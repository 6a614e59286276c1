package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// certificate is what the gateway shows to TLS clients. Its key is in memory alone.
type certificate struct {
	tls    tls.Certificate
	file   string // the certificate in PEM
	bundle string // the certificate and the roots that this machine trusts, in PEM
}

// certificateLife is how long a certificate is good. It is made anew with each start.
const certificateLife = 30 * 24 * time.Hour

// newCertificate makes a certificate for this machine's own names, for a host, and for all names below a domain. It
// writes what clients need to trust it to a folder.
func newCertificate(dir, host, domain string) (*certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	form := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "localgateway"},
		NotBefore:    now.Add(-time.Hour), // for a client whose clock is a little late
		NotAfter:     now.Add(certificateLife),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     []string{"localhost", "*" + domain},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},

		BasicConstraintsValid: true, // it is no authority, so trusting it trusts no other certificate
	}
	if ip := net.ParseIP(host); ip != nil {
		form.IPAddresses = append(form.IPAddresses, ip)
	} else if host != "" {
		form.DNSNames = append(form.DNSNames, host)
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("-tls: make a certificate: %w", err)
	}
	c := &certificate{
		tls:    tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		file:   filepath.Join(dir, "certificate.pem"),
		bundle: filepath.Join(dir, "bundle.pem"),
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(c.file, text, 0o600); err != nil {
		return nil, fmt.Errorf("-tls: %w", err)
	}
	if err := os.WriteFile(c.bundle, append(systemRoots(), text...), 0o600); err != nil {
		return nil, fmt.Errorf("-tls: %w", err)
	}
	return c, nil
}

// systemRoots returns the roots that this machine trusts, or nothing on a system that does not have them in a file.
// Then functions trust the gateway alone.
func systemRoots() []byte {
	for _, path := range []string{
		os.Getenv("SSL_CERT_FILE"),
		"/etc/ssl/certs/ca-certificates.crt", // Debian, Arch
		"/etc/pki/tls/certs/ca-bundle.crt",   // Fedora, Amazon Linux
		"/etc/ssl/ca-bundle.pem",             // SUSE
		"/etc/ssl/cert.pem",                  // Alpine, macOS
	} {
		if text, err := os.ReadFile(path); err == nil {
			return append(text, '\n')
		}
	}
	return nil
}
