// The one site that is nothing without script: it fetches its texts and writes them into the empty page.
async function show() {
  const answer = await fetch("/api/content.json");
  const content = await answer.json();
  const page = content.pages[location.pathname] ?? content.pages["/"];
  document.title = page.title;
  const app = document.getElementById("app");
  const header = document.createElement("header");
  const brand = document.createElement("a");
  brand.className = "brand";
  brand.href = "/";
  brand.textContent = content.name;
  const nav = document.createElement("nav");
  for (const [address, label] of content.navigation) {
    const link = document.createElement("a");
    link.href = address;
    link.textContent = label;
    nav.append(link, " ");
  }
  header.append(brand, nav);
  const main = document.createElement("main");
  main.innerHTML = page.html;
  app.replaceWith(header, main);
}

show();
