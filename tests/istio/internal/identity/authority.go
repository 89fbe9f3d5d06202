// Package identity makes the certificates of a mesh and hands them to Envoys.
package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"testing"
	"time"
)

// Authority signs the certificates of a mesh.
type Authority struct {
	t           testing.TB
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// Identity is what one workload shows: its name is the certificate's URI.
type Identity struct {
	URI       string
	authority *Authority
	der       []byte
	key       *ecdsa.PrivateKey
}

// NewAuthority makes one.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	template := &x509.Certificate{
		Subject:               pkix.Name{Organization: []string{"mesh"}},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	authority := &Authority{t: t, key: newKey(t)}
	der := sign(t, template, template, authority.key, authority.key)
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	authority.certificate = certificate
	return authority
}

// Identity returns the identity of a service account.
func (a *Authority) Identity(namespace, account string) *Identity {
	a.t.Helper()
	uri := fmt.Sprintf("spiffe://cluster.local/ns/%s/sa/%s", namespace, account)
	parsed, err := url.Parse(uri)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{
		URIs:        []*url.URL{parsed},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	key := newKey(a.t)
	return &Identity{uri, a, sign(a.t, template, a.certificate, key, a.key), key}
}

// Client returns the TLS configuration of a client with this identity for a server with the identity `server`.
func (i *Identity) Client(server string) *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{i.der}, PrivateKey: i.key}},
		// The names in a mesh are URIs, which Go does not compare.
		InsecureSkipVerify: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			roots := x509.NewCertPool()
			roots.AddCert(i.authority.certificate)
			leaf := state.PeerCertificates[0]
			if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots}); err != nil {
				return err
			}
			if len(leaf.URIs) != 1 || leaf.URIs[0].String() != server {
				return errors.New("another server: " + fmt.Sprint(leaf.URIs))
			}
			return nil
		},
	}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t testing.TB, template, parent *x509.Certificate, key, by *ecdsa.PrivateKey) []byte {
	t.Helper()
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 64))
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = serial
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func certificatePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func (i *Identity) keyPEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(i.key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
