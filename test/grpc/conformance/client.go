// Makes calls with grpc-go: a line of JSON on the standard input for each row, and one with what was seen on the output.
//
// Messages are bytes as they are. A line that says "cancel" follows a row that cancels.
package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/golang/protobuf/proto"
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// asIs is a codec of messages that are bytes already.
type asIs struct{}

func (asIs) Marshal(message interface{}) ([]byte, error) { return *message.(*[]byte), nil }

func (asIs) Unmarshal(data []byte, message interface{}) error {
	*message.(*[]byte) = append([]byte{}, data...)
	return nil
}

func (asIs) Name() string { return "proto" }

// unpacked is an encoding that says it is snappy: a server that does not know it cannot tell.
type unpacked struct{ io.Writer }

func (unpacked) Name() string                                { return "snappy" }
func (unpacked) Compress(to io.Writer) (io.WriteCloser, error) { return unpacked{to}, nil }
func (unpacked) Decompress(from io.Reader) (io.Reader, error)  { return from, nil }
func (unpacked) Close() error                                  { return nil }

type row struct {
	Address       string
	Path          string
	Streams       bool
	Calls         [][][]byte
	Times         int
	Metadata      [][2]string
	TimeoutMillis float64
	Compression   string
	Subtype       string
	Cancels       bool
}

type seen struct {
	Code     uint32      `json:"code"`
	Message  string      `json:"message"`
	Headers  [][2]string `json:"headers"`
	Trailers [][2]string `json:"trailers"`
	Answer   [][]byte    `json:"answer"`
}

func shown(md metadata.MD) [][2]string {
	all := [][2]string{}
	for name, values := range md {
		for _, value := range values {
			if strings.HasSuffix(name, "-bin") {
				value = base64.StdEncoding.EncodeToString([]byte(value))
			}
			all = append(all, [2]string{name, value})
		}
	}
	return all
}

func (r row) call(ctx context.Context, conn *grpc.ClientConn, messages [][]byte) seen {
	for _, pair := range r.Metadata {
		value := pair[1]
		if strings.HasSuffix(pair[0], "-bin") {
			decoded, err := base64.StdEncoding.DecodeString(value)
			if err != nil {
				panic(err)
			}
			value = string(decoded)
		}
		ctx = metadata.AppendToOutgoingContext(ctx, pair[0], value)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(r.TimeoutMillis*1e6))
	defer cancel()
	var headers, trailers metadata.MD
	options := []grpc.CallOption{grpc.ForceCodec(asIs{}), grpc.Header(&headers), grpc.Trailer(&trailers)}
	if r.Compression != "" {
		options = append(options, grpc.UseCompressor(r.Compression))
	}
	if r.Subtype != "" {
		options = append(options, grpc.CallContentSubtype(r.Subtype))
	}
	var answer []byte
	var err error
	if r.Streams {
		var stream grpc.ClientStream
		stream, err = conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true}, r.Path, options...)
		for at := 0; err == nil && at < len(messages); at++ {
			// The end of a call that is over already comes with RecvMsg.
			if stream.SendMsg(&messages[at]) == io.EOF {
				break
			}
		}
		if err == nil {
			stream.CloseSend()
			err = stream.RecvMsg(&answer)
		}
	} else {
		err = conn.Invoke(ctx, r.Path, &messages[0], &answer, options...)
	}
	got := status.Convert(err)
	result := seen{uint32(got.Code()), got.Message(), shown(headers), shown(trailers), [][]byte{}}
	// grpc-go takes the details out of the trailers.
	if whole := got.Proto(); len(whole.GetDetails()) > 0 {
		details, err := proto.Marshal(whole)
		if err != nil {
			panic(err)
		}
		result.Trailers = append(result.Trailers, [2]string{"grpc-status-details-bin", base64.StdEncoding.EncodeToString(details)})
	}
	if err == nil {
		result.Answer = append(result.Answer, answer)
	}
	return result
}

func (r row) run(input *bufio.Reader) ([]seen, error) {
	conn, err := grpc.Dial(r.Address, grpc.WithInsecure(), grpc.WithBlock(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(1<<30)))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	result := make([]seen, r.Times)
	var all sync.WaitGroup
	for at := range result {
		all.Add(1)
		go func(at int) {
			defer all.Done()
			result[at] = r.call(ctx, conn, r.Calls[0])
		}(at)
	}
	if r.Cancels {
		if _, err := input.ReadString('\n'); err != nil {
			return nil, err
		}
		cancel()
	}
	all.Wait()
	for _, messages := range r.Calls[1:] {
		result = append(result, r.call(ctx, conn, messages))
	}
	return result, nil
}

func main() {
	encoding.RegisterCompressor(unpacked{})
	input := bufio.NewReader(os.Stdin)
	output := json.NewEncoder(os.Stdout)
	for {
		line, err := input.ReadBytes('\n')
		if err == io.EOF {
			return
		}
		var r row
		if err == nil {
			err = json.Unmarshal(line, &r)
		}
		var result []seen
		if err == nil {
			result, err = r.run(input)
		}
		if err == nil {
			err = output.Encode(result)
		}
		if err != nil {
			panic(err)
		}
	}
}
