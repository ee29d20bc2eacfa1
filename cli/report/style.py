"""Style of the page: colours for light, dark and paper, chosen by the system, or by the button `theme`."""

from __future__ import annotations

_LIGHT = (
    "--paper:#fff;--ink:#1c2430;--soft:#5a6675;--rule:#d5dbe3;--panel:#f4f6f9;--bar:#3b6fb6;--mark:#c2410c;"
    "--line0:#2563b0;--line1:#b4540a;--line2:#0f7a55;--line3:#8b3fb0;--line4:#6b5b00"
)
_DARK = (
    "--paper:#14181f;--ink:#e6eaf0;--soft:#a3afbf;--rule:#343d4a;--panel:#1d232c;--bar:#7ba7e6;--mark:#f59e5b;"
    "--line0:#7ba7e6;--line1:#f0a35e;--line2:#5fc79b;--line3:#c99be8;--line4:#d8c55a"
)

STYLE = (
    f"""
:root{{color-scheme:light;{_LIGHT}}}
@media screen{{
:root[data-theme=dark]{{color-scheme:dark;{_DARK}}}
@media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{_DARK}}}}}
}}
"""
    + """
*{box-sizing:border-box}
body{margin:0 auto;max-width:76rem;padding:1rem 1.5rem;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,sans-serif}
h1{margin:.5rem 0 0;font-size:1.7rem;overflow-wrap:anywhere}
h2{display:inline;font-size:1.25rem}h3{margin:1.2rem 0 .3rem}
a{color:var(--line0)}header{display:flex;flex-wrap:wrap;align-items:end;gap:.5rem 2rem;padding-bottom:.8rem}
header p{margin:0;color:var(--soft)}
header button{margin-left:auto}
.skip{position:absolute;left:-99rem}.skip:focus{position:static}
nav ul{display:flex;flex-wrap:wrap;gap:.3rem 1rem;padding:0;list-style:none}
main{min-width:0}
@media screen and (min-width:80rem){body{max-width:92rem;display:grid;grid-template-columns:12rem 1fr;gap:0 2.5rem}
.skip,header{grid-column:1/-1}nav{position:sticky;top:1rem;align-self:start;max-height:calc(100vh - 2rem);overflow:auto;
padding:.3rem}nav ul{flex-direction:column}}
section{border-top:1px solid var(--rule);padding:.8rem 0;scroll-margin-top:.5rem}
summary{cursor:pointer}summary:focus-visible,button:focus-visible,a:focus-visible,div:focus-visible{outline:3px solid
var(--mark);outline-offset:2px}
.none{color:var(--soft);font-style:italic}li{overflow-wrap:anywhere}
.cards{display:flex;flex-wrap:wrap;gap:.7rem;margin:.8rem 0}
.cards div{background:var(--panel);border:1px solid var(--rule);border-radius:6px;padding:.4rem .9rem}
.cards dt{color:var(--soft);font-size:.85rem}.cards dd{margin:0;font-size:1.2rem}
.wide{overflow-x:auto;max-height:34rem;margin:.6rem 0}table{border-collapse:collapse;font-size:.9rem}
caption{text-align:left;color:var(--soft);padding:.2rem 0;white-space:nowrap}
th,td{border-bottom:1px solid var(--rule);padding:.2rem .6rem;text-align:left;vertical-align:top;white-space:nowrap}
.text{white-space:normal;overflow-wrap:break-word;max-width:24rem}.pairs .text{max-width:52rem;overflow-wrap:anywhere}
thead th{position:sticky;top:0;background:var(--paper)}
tbody th{position:sticky;left:0;background:var(--paper)}thead th:first-child{left:0;z-index:1}
tr:target{background:var(--panel);outline:2px solid var(--mark)}
tbody th{font-weight:600}.number{text-align:right;font-variant-numeric:tabular-nums}
button{font:inherit;color:var(--ink);background:var(--panel);border:1px solid var(--rule);border-radius:4px;
padding:.1rem .6rem;cursor:pointer}
thead button{font-weight:600;border:0;background:none;padding:0;text-align:left}
th[aria-sort=ascending] button::after{content:" \\25b2"}th[aria-sort=descending] button::after{content:" \\25bc"}
.figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(17rem,1fr));gap:1rem}
figure{margin:0;break-inside:avoid}figcaption{font-size:.85rem;overflow-wrap:anywhere}
figure svg{width:100%;max-width:22rem}
svg{max-width:100%;height:auto;font:11px system-ui,sans-serif}svg text{fill:var(--ink)}.end{text-anchor:end}
.middle{text-anchor:middle}svg.chart{display:block;width:100%;max-width:58rem;break-inside:avoid}
.bar{fill:var(--bar)}.mark{fill:var(--mark)}.area{fill:var(--panel);stroke:var(--rule)}
.axis{stroke:var(--soft);fill:none}.guide{stroke:var(--soft);stroke-dasharray:3 3;fill:none}
.line{fill:none;stroke-width:2}.spikes{fill:none;stroke-width:2.4}
.line0{stroke:var(--line0)}.line1{stroke:var(--line1)}.line2{stroke:var(--line2)}.line3{stroke:var(--line3)}
.line4{stroke:var(--line4)}.fill0{fill:var(--line0)}.fill1{fill:var(--line1)}.fill2{fill:var(--line2)}
.fill3{fill:var(--line3)}.fill4{fill:var(--line4)}
#frame{overflow:auto;max-height:70vh;border:1px solid var(--rule);border-radius:6px;margin:.5rem 0;cursor:grab}
#frame svg{max-width:none;display:block;margin:auto}#drawing text{text-anchor:middle}
#drawing .name{font-weight:600}#drawing .small{fill:var(--soft);font-size:10px}#drawing .title{font-weight:600;
font-size:13px}
#drawing rect{fill:var(--panel);stroke:var(--line0)}#drawing rect.host{stroke:var(--line1);stroke-dasharray:5 3}
#drawing rect.input,#drawing rect.output{stroke:var(--line2)}#drawing rect.pale{stroke:var(--rule)}
.arrow{fill:none;stroke:var(--soft);stroke-width:1.3}
.link{fill:none;stroke:var(--line3);stroke-dasharray:2 4;opacity:.7}
#drawing .on rect{stroke-width:3}#drawing .link.on{stroke-width:3;stroke-dasharray:none;opacity:1}
.head{fill:var(--soft)}.buttons{display:flex;gap:.4rem}
html:not(.scripted) .scripts{display:none}
@media screen and (max-width:40rem){svg.chart{min-width:36rem}details{overflow-x:auto}}
@page{size:landscape}
@media print{
nav,.buttons,.screen,.skip,header button{display:none}body{max-width:none;padding:0;font-size:11px}
#frame,.wide{overflow:visible;max-height:none;border:0}#frame svg{max-width:100%;height:auto;zoom:.75}
tr{break-inside:avoid}th,td{padding:.1rem .3rem}table{font-size:9px}.text{max-width:16rem;overflow-wrap:anywhere}
tbody th.text{overflow-wrap:normal}caption{white-space:normal}
th{position:static!important}svg.chart{max-width:38rem}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
"""
)
