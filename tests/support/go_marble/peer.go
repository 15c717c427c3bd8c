// Talks once with another marble over mutual TLS, as EGo's marbles do: RootCAs and ClientCAs are the marbles' root.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

func main() {
	side, folder := os.Args[1], os.Args[2]
	pair, err := tls.LoadX509KeyPair(folder+"/MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN", folder+"/MARBLE_PREDEFINED_PRIVATE_KEY")
	check(err)
	pem, err := os.ReadFile(folder + "/MARBLE_PREDEFINED_ROOT_CA")
	check(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	config := &tls.Config{
		Certificates: []tls.Certificate{pair}, RootCAs: roots, ClientCAs: roots,
		ClientAuth: tls.RequireAndVerifyClientCert, ServerName: "m.example",
	}
	if side == "server" {
		listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
		check(err)
		fmt.Println(listener.Addr())
		connection, err := listener.Accept()
		check(err)
		_, err = connection.Write([]byte("hello"))
		check(err)
		check(connection.Close())
		return
	}
	connection, err := tls.Dial("tcp", os.Args[3], config)
	check(err)
	said := make([]byte, 5)
	_, err = connection.Read(said)
	check(err)
	fmt.Println(string(said))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
