// A table or a terminal that is wider than the screen scrolls in a box: let the keyboard reach that box.
addEventListener("load", () => {
  for (const box of document.querySelectorAll(".md-typeset__scrollwrap, .terminal")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
  }
});
