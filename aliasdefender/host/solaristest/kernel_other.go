//go:build !linux

package solaristest

import "errors"

var errReal = errors.New("only on Linux can the machine's network be a real one")

func (m *Machine) look() error { return errReal }

func (m *Machine) apply([]Unit) error { return errReal }
