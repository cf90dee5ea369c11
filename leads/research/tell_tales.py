"""What a page's source gives away about the tools behind it, and links to profiles elsewhere."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

# Name → what stands in addresses of scripts and styles, in the generator, or in the markup.
_SIGNS = {
    "WordPress": r"/wp-(?:content|includes)/|wordpress",
    "WooCommerce": r"woocommerce",
    "Shopify": r"cdn\.shopify\.com|shopify\.theme",
    "Wix": r"static\.wixstatic\.com|wix\.com website builder",
    "Squarespace": r"static1?\.squarespace\.com|squarespace",
    "Webflow": r"webflow",
    "Framer": r"framerusercontent\.com",
    "TYPO3": r"typo3",
    "Drupal": r"/sites/default/files/|drupal",
    "Joomla": r"joomla",
    "Ghost": r"ghost\.io|content=\"ghost ",
    "Magento": r"/static/version\d+/frontend/|mage/cookies",
    "PrestaShop": r"prestashop",
    "HubSpot": r"js\.hs-scripts\.com|hsforms\.net|hs-analytics",
    "Marketo": r"munchkin\.marketo",
    "Pardot": r"pi\.pardot\.com",
    "Salesforce": r"salesforceliveagent|force\.com/embeddedservice",
    "Intercom": r"widget\.intercom\.io|intercomsettings",
    "Zendesk": r"static\.zdassets\.com|zendesk",
    "Drift": r"js\.driftt\.com",
    "Crisp": r"client\.crisp\.chat",
    "Freshchat": r"wchat\.freshchat\.com",
    "Calendly": r"assets\.calendly\.com",
    "Typeform": r"embed\.typeform\.com",
    "Mailchimp": r"chimpstatic\.com|list-manage\.com",
    "Klaviyo": r"static\.klaviyo\.com",
    "Segment": r"cdn\.segment\.com",
    "Google Analytics": r"google-analytics\.com|googletagmanager\.com/gtag",
    "Google Tag Manager": r"googletagmanager\.com/gtm",
    "Matomo": r"matomo\.(?:js|php)|piwik\.js",
    "Plausible": r"plausible\.io/js",
    "Hotjar": r"static\.hotjar\.com",
    "Stripe": r"js\.stripe\.com",
    "PayPal": r"paypal\.com/sdk",
    "Next.js": r"/_next/static|__next_data__",
    "Nuxt": r"/_nuxt/|__nuxt__",
    "Gatsby": r"___gatsby",
    "React": r"data-reactroot|react-dom",
    "Angular": r"ng-version=",
    "Vue.js": r"data-v-app|vue(?:\.runtime)?(?:\.global)?(?:\.prod)?\.js",
    "Bootstrap": r"bootstrap(?:\.bundle)?(?:\.min)?\.(?:css|js)",
    "Tailwind CSS": r"tailwind",
    "Cloudflare": r"/cdn-cgi/|static\.cloudflareinsights\.com",
    "Sentry": r"browser\.sentry-cdn\.com",
}
_COMPILED = {name: re.compile(sign) for name, sign in _SIGNS.items()}
_BUILT_WITH = re.compile(
    r"\b(?i:built|made|powered|running) (?:with|by|on):? ([A-Z][\w.+#-]*(?:, [A-Z][\w.+#-]*){1,8})"
)
_NETWORKS = {
    "linkedin": "linkedin",
    "twitter": "twitter",
    "x": "twitter",
    "facebook": "facebook",
    "instagram": "instagram",
    "youtube": "youtube",
    "github": "github",
    "xing": "xing",
    "tiktok": "tiktok",
    "crunchbase": "crunchbase",
}
_NOT_A_PROFILE = re.compile(
    r"/(?:share|sharer|intent|dialog|login|signup|plugins|hashtag|search|watch)\b|[?&]url="
)


def technologies(source: str, text: str = "") -> list[str]:
    """Names of tools that a page's markup (first 300,000 characters) or a line such as "Built with A, B" names."""
    lowered = source[:300_000].lower()
    found = {name for name, sign in _COMPILED.items() if sign.search(lowered)}
    for match in _BUILT_WITH.finditer(text):
        found.update(name.strip(". ") for name in match[1].split(","))
    return sorted(found)


def network_of(url: str) -> str:
    """The network ("linkedin", "twitter", …) of a profile's address, or an empty text."""
    try:
        parts = urlsplit(url)
        labels = (parts.hostname or "").split(".")
    except ValueError:
        return ""
    name = _NETWORKS.get(labels[-2] if len(labels) > 1 else "", "")
    if not name or len(parts.path.strip("/")) < 2 or _NOT_A_PROFILE.search(url):
        return ""
    return name


def is_personal(url: str) -> bool:
    """Whether a profile's address is a person's by its form; false for company pages."""
    network = network_of(url)
    if network == "linkedin":
        return "/in/" in url or "/pub/" in url
    return network in ("twitter", "instagram", "xing")
