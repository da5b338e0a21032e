/* Pages that were opened from a disk (file:) may start no Worker: here the theme's search runs in a hidden frame of the
   page instead. Only what that search needs: messages both ways, and one script. */
if (location.protocol === "file:")
  window.Worker = class extends EventTarget {
    #frame = document.createElement("iframe")
    #started

    constructor(url) {
      super()
      this.#frame.hidden = true
      this.#frame.title = "search"
      document.body.append(this.#frame)
      const inside = this.#frame.contentWindow
      inside.postMessage = data => this.dispatchEvent(new MessageEvent("message", { data }))
      this.#started = new Promise((done, failed) => {
        const script = inside.document.createElement("script")
        script.src = new URL(url, location.href)
        script.onload = done
        script.onerror = failed
        inside.document.body.append(script)
      })
    }

    async postMessage(data) {
      await this.#started
      this.#frame.contentWindow.dispatchEvent(new MessageEvent("message", { data }))
    }

    terminate() {
      this.#frame.remove()
    }
  }
