/* What the theme leaves unnamed for those who do not see the page, or out of reach of the keyboard. */
document.querySelector(".md-search")?.setAttribute("aria-label", "Search")

function complete() {
  document.querySelectorAll(".md-code__nav").forEach((buttons, i) => buttons.setAttribute("aria-label", `Code ${i + 1}`))
  for (const code of document.querySelectorAll("pre > code, .md-typeset__scrollwrap"))
    if (code.scrollWidth > code.clientWidth) code.tabIndex = 0
}

complete()
addEventListener("resize", complete)
new MutationObserver(complete).observe(document.body, { childList: true, subtree: true })
