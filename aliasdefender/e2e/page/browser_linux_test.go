package page

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/heapprofiler"
	cdppage "github.com/chromedp/cdproto/page"
	cdpruntime "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/vishvananda/netlink"

	"alias-defender/aliasdefender/e2e/stage"
)

// elsewhere is a name under which a browser takes this host for another one: to such hosts,
// without TLS, it does not say which site has asked.
const elsewhere = "host-a.example"

// browser is a tab of a Chromium.
type browser struct {
	t   *testing.T
	ctx context.Context
}

// opened opens an address in a Chromium of its own.
func opened(t *testing.T, url string) *browser {
	t.Helper()
	stage.Wanted(t, "chromium", "chromium")
	path, err := exec.LookPath("chromium")
	stage.Must(t, err)
	lo, err := netlink.LinkByName("lo")
	stage.Must(t, err)
	if lo.Attrs().Flags&net.FlagUp == 0 { // in a network of the tests' own
		stage.Must(t, netlink.LinkSetUp(lo))
	}
	alloc, end := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.Headless, chromedp.DisableGPU,
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.WSURLReadTimeout(stage.Patience),
		chromedp.Flag("host-resolver-rules", "MAP "+elsewhere+" 127.0.0.1"), chromedp.UserDataDir(t.TempDir()))...)
	t.Cleanup(end)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	b := &browser{t, ctx}
	stage.Must(t, chromedp.Do(ctx)) // the first call starts the browser, and must have no deadline
	b.size(1280, 900)
	b.open(url)
	return b
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, stage.Patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

func (b *browser) open(url string) { b.t.Helper(); b.do(chromedp.Navigate(url)) }
func (b *browser) size(width, high int) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(int64(width), int64(high)))
}
func (b *browser) press(keys string) { b.t.Helper(); b.do(chromedp.KeyEvent(keys)) }

// dark has pages see that the user wants them dark.
func (b *browser) dark(dark bool) {
	b.t.Helper()
	value := "light"
	if dark {
		value = "dark"
	}
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}}})
	stage.Must(b.t, err)
}

// says is the value of an expression in the page.
func says[T any](b *browser, expression string) T {
	b.t.Helper()
	v, err := evaluated[T](b, expression)
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

func evaluated[T any](b *browser, expression string) (T, error) {
	ctx, cancel := context.WithTimeout(b.ctx, stage.Patience)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// until waits until an expression is true. While one page follows another it has no value.
func (b *browser) until(expression string) {
	b.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(b.ctx, stage.Patience)
	defer cancel()
	for {
		so, err := evaluated[bool](b, expression)
		if so && err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			b.t.Fatalf("never: %s (%v)\n%s", expression, err, says[string](b, "document.body.innerText"))
		}
	}
}

// picture writes what the tab shows to a file of the directory that -pictures names.
func (b *browser) picture(name string) {
	b.t.Helper()
	if *pictures == "" {
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, stage.Patience)
	defer cancel()
	r, err := chromedp.Run(ctx, func(ctx context.Context, _ *chromedp.Target) ([]byte, error) {
		shot, err := chromedp.Call(ctx, cdppage.CaptureScreenshot, cdppage.CaptureScreenshotParams{})
		if err != nil {
			return nil, err
		}
		return shot.Data, nil
	})
	stage.Must(b.t, err)
	stage.Must(b.t, os.WriteFile(filepath.Join(*pictures, name+".png"), r, 0o644))
}

// shows is an expression: the page has this text. While another page is loaded there is no body.
func shows(text string) string {
	return "(document.body?.innerText ?? '').includes('" + strings.ReplaceAll(text, "'", `\'`) + "')"
}

// weighs is how many nodes the page has, and how many bytes its scripts keep, after what nobody
// needs is collected.
func (b *browser) weighs() (nodes, bytes int) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, heapprofiler.CollectGarbage, cdp.Empty{})
	stage.Must(b.t, err)
	usage, err := chromedp.Call(b.ctx, cdpruntime.GetHeapUsage, cdp.Empty{})
	stage.Must(b.t, err)
	return says[int](b, `document.querySelectorAll('*').length`), int(usage.UsedSize)
}
