"""Dashboards of BI tools, made of the configuration: one model of them, and a folder for each tool."""
