// Loads a compose file as Docker Compose does, and prints it complete, or what is wrong with it.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	options, err := cli.NewProjectOptions(os.Args[1:], cli.WithOsEnv, cli.WithName("theodora"))
	if err == nil {
		project, loading := options.LoadProject(context.Background())
		err = loading
		if err == nil {
			text, marshalling := project.MarshalJSON()
			fmt.Println(string(text))
			err = marshalling
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
