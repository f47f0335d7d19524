// A token verifier as one writes it in Go: grpc-go and golang-jwt, RS256, issuer, audience and expiry, and no cache. Its
// messages are those of Token Verifier, written by hand on the wire, which costs less than generated code.
//
//	server -key rs256.pem -issuer ISS -audience AUD -echo BASE64
//
// It prints its address, and ends when its standard input does.
package main

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"github.com/golang-jwt/jwt"
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
)

// rawCodec passes messages as bytes.
type rawCodec struct{}

func (rawCodec) Marshal(v interface{}) ([]byte, error) { return *v.(*[]byte), nil }
func (rawCodec) Unmarshal(data []byte, v interface{}) error {
	*v.(*[]byte) = data
	return nil
}
func (rawCodec) Name() string { return "proto" }

var errMessage = errors.New("the message cannot be decoded")

// fields calls each with the number and the content of every field that has a length.
func fields(message []byte, each func(number int, content []byte)) error {
	for len(message) > 0 {
		tag, n := binary.Uvarint(message)
		if n <= 0 || tag&7 != 2 {
			return errMessage
		}
		message = message[n:]
		length, n := binary.Uvarint(message)
		if n <= 0 || length > uint64(len(message)-n) {
			return errMessage
		}
		each(int(tag>>3), message[n:n+int(length)])
		message = message[n+int(length):]
	}
	return nil
}

func appendVarint(to []byte, value uint64) []byte {
	for value > 127 {
		to = append(to, byte(value)|128)
		value >>= 7
	}
	return append(to, byte(value))
}

func appendBytes(to []byte, number int, content []byte) []byte {
	to = appendVarint(to, uint64(number<<3|2))
	to = appendVarint(to, uint64(len(content)))
	return append(to, content...)
}

func appendText(to []byte, number int, text string) []byte {
	if text == "" {
		return to
	}
	to = appendVarint(to, uint64(number<<3|2))
	to = appendVarint(to, uint64(len(text)))
	return append(to, text...)
}

func appendTime(to []byte, number int, seconds int64) []byte {
	if seconds == 0 {
		return to
	}
	return appendBytes(to, number, appendVarint([]byte{8}, uint64(seconds)))
}

type server struct {
	key      *rsa.PublicKey
	parser   *jwt.Parser
	issuer   string
	audience string
	echo     []byte
}

// verdict verifies a token and returns a VerifyTokenResponse.
func (s *server) verdict(token string) []byte {
	claims := jwt.StandardClaims{}
	parsed, err := s.parser.ParseWithClaims(token, &claims, func(*jwt.Token) (interface{}, error) { return s.key, nil })
	if err != nil || !parsed.Valid || claims.Issuer != s.issuer || claims.Audience != s.audience {
		return appendBytes(nil, 2, []byte{8, 7})
	}
	payload, err := jwt.DecodeSegment(strings.SplitN(token, ".", 3)[1])
	if err != nil {
		return appendBytes(nil, 2, []byte{8, 2})
	}
	keyID, _ := parsed.Header["kid"].(string)
	content := make([]byte, 0, 512)
	content = appendText(content, 1, claims.Subject)
	content = appendText(content, 2, claims.Issuer)
	content = appendText(content, 3, claims.Audience)
	content = appendTime(content, 4, claims.ExpiresAt)
	content = appendTime(content, 5, claims.NotBefore)
	content = appendTime(content, 6, claims.IssuedAt)
	content = appendText(content, 7, claims.Id)
	content = appendText(content, 8, keyID)
	content = appendText(content, 9, parsed.Method.Alg())
	content = appendBytes(content, 10, payload)
	verified := appendBytes(make([]byte, 0, 544), 1, content)
	verified = appendBytes(verified, 2, appendBytes(nil, 1, appendText(appendText(nil, 1, claims.Subject), 7, claims.Issuer)))
	verified = appendBytes(verified, 3, appendTime(nil, 3, claims.ExpiresAt))
	return appendBytes(make([]byte, 0, 600), 1, verified)
}

func (s *server) verifyOne(request []byte) ([]byte, error) {
	token := ""
	err := fields(request, func(number int, content []byte) {
		if number == 2 {
			token = string(content)
		}
	})
	return s.verdict(token), err
}

func (s *server) verifyBatch(request []byte) ([]byte, error) {
	answer := []byte{}
	var failed error
	err := fields(request, func(number int, content []byte) {
		verdict, err := s.verifyOne(content)
		if err != nil {
			failed = err
		}
		answer = appendBytes(answer, 1, appendBytes(nil, 1, verdict))
	})
	if failed != nil {
		return nil, failed
	}
	return answer, err
}

// echoed answers every request with the same bytes.
func (s *server) echoed([]byte) ([]byte, error) { return s.echo, nil }

func method(name string, work func([]byte) ([]byte, error)) grpc.MethodDesc {
	return grpc.MethodDesc{
		MethodName: name,
		Handler: func(_ interface{}, _ context.Context, decode func(interface{}) error, _ grpc.UnaryServerInterceptor) (interface{}, error) {
			var request []byte
			if err := decode(&request); err != nil {
				return nil, err
			}
			answer, err := work(request)
			return &answer, err
		},
	}
}

func main() {
	keyFile := flag.String("key", "", "the RSA key in PEM")
	issuer := flag.String("issuer", "", "the issuer of good tokens")
	audience := flag.String("audience", "", "the audience of good tokens")
	echo := flag.String("echo", "", "what bench.Echo answers, in base64")
	flag.Parse()
	pem, err := os.ReadFile(*keyFile)
	if err != nil {
		panic(err)
	}
	key, err := jwt.ParseRSAPublicKeyFromPEM(pem)
	if err != nil {
		panic(err)
	}
	s := &server{key: key, parser: &jwt.Parser{ValidMethods: []string{"RS256"}}, issuer: *issuer, audience: *audience}
	if s.echo, err = base64.StdEncoding.DecodeString(*echo); err != nil {
		panic(err)
	}
	encoding.RegisterCodec(rawCodec{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	served := grpc.NewServer()
	served.RegisterService(&grpc.ServiceDesc{
		ServiceName: "tokenverifier.v1.TokenVerifier",
		HandlerType: (*interface{})(nil),
		Methods:     []grpc.MethodDesc{method("VerifyToken", s.verifyOne), method("BatchVerifyTokens", s.verifyBatch)},
	}, s)
	served.RegisterService(&grpc.ServiceDesc{
		ServiceName: "bench.Echo",
		HandlerType: (*interface{})(nil),
		Methods:     []grpc.MethodDesc{method("Echo", s.echoed)},
	}, s)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Println(listener.Addr())
	if err := served.Serve(listener); err != nil {
		panic(err)
	}
}
