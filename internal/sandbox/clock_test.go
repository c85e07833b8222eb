package sandbox

import (
	"testing"
	"time"
)

func TestClock(t *testing.T) {
	wall := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c := NewClock(0)
	c.real = func() time.Time { return wall }
	c.start, c.base = wall, wall
	want := func(at time.Time) {
		t.Helper()
		if got := c.Now(); !got.Equal(at) {
			t.Errorf("the clock shows %s, want %s", got, at)
		}
	}
	want(wall)
	wall = wall.Add(time.Second)
	want(wall)
	if err := c.SetScale(60); err != nil {
		t.Fatal(err)
	}
	want(wall)
	wall = wall.Add(time.Second)
	want(wall.Add(59 * time.Second))
	if err := c.Advance(80 * time.Hour); err != nil {
		t.Fatal(err)
	}
	want(wall.Add(80*time.Hour + 59*time.Second))
	if err := c.Set(wall.Add(90 * time.Hour)); err != nil {
		t.Fatal(err)
	}
	want(wall.Add(90 * time.Hour))
	for name, err := range map[string]error{
		"back by a duration": c.Advance(-time.Second), "back to a time": c.Set(wall), "scale of 0": c.SetScale(0), "wild scale": c.SetScale(1e9),
	} {
		if err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if c.Scale() != 60 {
		t.Errorf("scale is %g", c.Scale())
	}
}
